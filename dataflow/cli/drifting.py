"""drift: list and accept fields that differ between the sources and dataflow.toml."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from dataflow.cli.options import ObjectOption, Output, OutputOption, SourceOption, settings_of
from dataflow.cli.output import messages, write_records
from dataflow.errors import UsageError


def register(app: typer.Typer) -> None:
    drift = typer.Typer(
        no_args_is_help=True, help="Schema drift: fields that differ between the sources and dataflow.toml."
    )
    drift.command("list")(show)
    drift.command("accept")(accept)
    app.add_typer(drift, name="drift")


def show(
    context: typer.Context,
    source: SourceOption = None,
    object_name: ObjectOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List new, renamed, retyped and missing fields, with types, without values.

    Example:  dataflow drift list --source salesforce
    """
    from dataflow.observe.plan import read_proposals

    found = read_proposals(settings_of(context), source=source, object_name=object_name)
    records = [
        {"source": name[0], "object": name[1], **asdict(change)}
        for name, changes in found.items()
        for change in changes
    ]
    write_records(records, output=output)
    if records:
        messages.print("To write them into dataflow.toml: dataflow drift accept SOURCE OBJECT")


def accept(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="The source, as named in dataflow.toml.")],
    object_name: Annotated[str, typer.Argument(metavar="OBJECT", help="Its object.")],
    field: Annotated[list[str] | None, typer.Option("--field", help="Only this field; can be repeated.")] = None,
) -> None:
    """Write the changes into dataflow.toml; the new file is checked before it replaces the old one.

    Example:  dataflow drift accept salesforce contact --field Region__c
    """
    from dataflow.govern.accept_drift import accept_changes
    from dataflow.observe.plan import read_proposals

    settings = settings_of(context)
    found = read_proposals(settings, source=source, object_name=object_name).get((source, object_name), [])
    chosen = [change for change in found if not field or change.field in field]
    if not chosen:
        raise UsageError(
            f"The fields of {source}.{object_name} do not differ from its declaration in this way.",
            next_move="`dataflow drift list` shows the differences.",
        )
    file = accept_changes(settings, source, object_name, chosen)
    for change in chosen:
        messages.print(f"{source}.{object_name}: {change}")
    messages.print(f"Wrote {file}; the next run reads the object by it.")
