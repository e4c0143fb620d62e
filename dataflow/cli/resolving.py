"""resolve: find the records of one person or company in a file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.options import Output, OutputOption
from dataflow.cli.output import messages, write_json, write_line, write_records

if TYPE_CHECKING:
    from dataflow.resolve.own_file.resolve_file import FileResolution


def register(app: typer.Typer) -> None:
    app.command("resolve")(resolve)


def resolve(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet file with one row per record.")],
    key: Annotated[
        str | None, typer.Option("--key", help="Column that identifies a row; default: the row number.")
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option("--spec", help="TOML file that names the kind of each column; default: by name and content."),
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option("--ignore", help="Column to leave out; can be repeated.")] = None,
    truth: Annotated[
        str | None, typer.Option("--truth", help="Column with the true cluster: only measures the result.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels", help="CSV or Parquet of labelled pairs for training: two keys, and same or different."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="CSV or Parquet to write: record_key, cluster_id and confidence for each input row."
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Find the rows of a file that are the same person or the same company.

    A spec is needed only where neither name nor content shows what a column holds. It is TOML with a line for each
    column, such as columns.nom = "surname", and entity_type = "person" or "company".

    Example:  dataflow resolve people.csv --key id --truth person_id --out clusters.csv
    """
    from dataflow.resolve.own_file.resolve_file import read_file_spec, resolve_file

    found = resolve_file(
        file,
        read_file_spec(spec) if spec else None,
        truth=truth,
        key=key,
        ignore=ignore or [],
        labels=labels,
        out=out,
    )
    figures = found.evaluation.as_dict() if found.evaluation else {}
    if output is Output.JSON:
        write_json(asdict(found))
    elif output is Output.CSV:
        write_records([{"records": found.records, "clusters": found.clusters, **figures}], output=output)
    else:
        _write_for_people(found, figures, has_labels=labels is not None)
        messages.print(f"Wrote {out}" if out else "To write each row's cluster: --out clusters.csv")


def _write_for_people(found: FileResolution, figures: dict[str, Any], *, has_labels: bool) -> None:
    counts = " and ".join(f"{count:,} {_PLURAL[kind]}" for kind, count in found.entity_types.items())
    write_line(f"{found.records:,} rows are {counts}")
    write_line(f"{found.compared_pairs:,} pairs compared in {found.seconds:.1f} s")
    if has_labels:
        write_line(f"{found.labels:,} labels used")
    write_line("Read as: " + ", ".join(f"{column} = {kind}" for column, kind in found.kinds.items()))
    for name, value in figures.items():
        write_line(f"  {name:<20} {value:,.6g}")
    for cause in found.causes[:_MOST_CAUSES]:
        examples = "; ".join(f"{left} and {right}" for left, right in cause.examples)
        write_line(f"  {cause.pairs:>8,} pairs {cause.error}: {cause.cause} (rows {examples})")


_MOST_CAUSES = 20
_PLURAL = {"person": "people", "company": "companies"}
