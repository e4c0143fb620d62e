"""resolve: who is who in a file of one's own."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dataflow.cli.options import Output, OutputOption
from dataflow.cli.output import messages, write_json, write_line, write_records


def register(app: typer.Typer) -> None:
    app.command("resolve")(resolve)


def resolve(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet with one row per record.")],
    key: Annotated[str | None, typer.Option("--key", help="Column that identifies a row; else its number.")] = None,
    spec: Annotated[
        Path | None, typer.Option("--spec", help="TOML that says what its columns are; else told from their names.")
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option("--ignore", help="Column to leave out; may be repeated.")] = None,
    truth: Annotated[
        str | None, typer.Option("--truth", help="Column with the known answer: measures the result, is never read.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="CSV or Parquet of pairs to learn from: two keys, and same or different."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="CSV or Parquet to write: record_key, cluster_id, confidence, a row per input row."),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Find out which rows of a file of your own are one person, or one company.

    A spec is needed only where neither name nor content tells what is in a column. It is TOML:
    columns.nom = "surname", a line for each column, and entity_type = "person" or "company".

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
    if output is Output.JSON:
        write_json(asdict(found))
        return
    figures = found.evaluation.as_dict() if found.evaluation else {}
    if output is Output.CSV:
        write_records([{"records": found.records, "clusters": found.clusters, **figures}], output=output)
        return
    counts = " and ".join(f"{count:,} {_PLURAL[kind]}" for kind, count in found.entity_types.items())
    write_line(f"{found.records:,} rows are {counts}")
    write_line(f"{found.compared_pairs:,} pairs compared in {found.seconds:.1f} s")
    if labels:
        write_line(f"{found.labels:,} labels used")
    write_line("Read as: " + ", ".join(f"{column} = {kind}" for column, kind in found.kinds.items()))
    for name, value in figures.items():
        write_line(f"  {name:<20} {value:,.6g}")
    for cause in found.causes[:_MOST_CAUSES]:
        examples = "; ".join(f"{left} and {right}" for left, right in cause.examples)
        write_line(f"  {cause.pairs:>8,} pairs {cause.error}: {cause.cause} (rows {examples})")
    messages.print(f"Written: {out}" if out else "Each row's cluster: --out clusters.csv")


_MOST_CAUSES = 20
_PLURAL = {"person": "people", "company": "companies"}
