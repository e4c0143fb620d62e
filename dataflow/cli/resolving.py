"""resolve: who is who in a file of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataflow.cli.options import Output, OutputOption, settings_of
from dataflow.cli.output import words, write_json, write_line, write_rows


def register(app: typer.Typer) -> None:
    app.command("resolve")(resolve)


def resolve(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV or Parquet with one row per record.")],
    spec: Annotated[Path, typer.Option("--spec", help="TOML that maps its columns onto customer records.")],
    truth: Annotated[
        str | None, typer.Option("--truth", help="Column that says which rows are one customer: measures the result.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Resolve a file of your own with the pipeline's own stages, in a lake that is thrown away.

    -o csv writes the key of each row and the customer it belongs to; -o json adds the figures.

    A spec names the key and maps columns as dataflow.toml does:

    key = "id"

    [fields]

    entity_type = { value = "person" }

    given_name = "first_name"

    email = "mail"

    Example:  dataflow resolve people.csv --spec people.toml --truth person_id
    """
    from dataflow.cli.watching import watching_run
    from dataflow.own_data import read_spec, resolve_file

    settings = settings_of(context)
    read = read_spec(spec)
    with watching_run():
        found = resolve_file(file, read, truth=truth, settings=settings)
    figures = found.evaluation.as_dict() if found.evaluation else None
    if output is Output.JSON:
        counts = {"rows": found.rows, "records": found.records, "customers": found.customers}
        clusters = [{"key": key, "customer_id": customer} for key, customer in found.clusters]
        write_json({**counts, "pairs_to_review": found.pairs_to_review, "evaluation": figures, "clusters": clusters})
    elif output is Output.CSV:
        write_rows(["key", "customer_id"], found.clusters, output=output)
    else:
        write_line(f"{found.rows:,} rows, {found.records:,} records, {found.customers:,} customers")
        write_line(f"{found.pairs_to_review:,} pairs are for a person to decide")
        for name, value in (figures or {}).items():
            write_line(f"{name:<20} {value:,.6g}")
        words.print("Every row's customer: -o csv")
