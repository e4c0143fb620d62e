"""describe, docs: print declarations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.options import Output, OutputOption, globals_of
from dataflow.cli.output import messages, write_json, write_line, write_records
from dataflow.errors import ConfigurationError, UsageError

if TYPE_CHECKING:
    from dataflow.observe.describe import Description
    from dataflow.settings import Settings


def register(app: typer.Typer) -> None:
    app.command("describe")(describe)
    app.command("docs")(docs)


def describe(
    context: typer.Context,
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="[table|rule|operator|kpi|segment|setting|error|source|sink|…]",
            help="Kind of declaration, or the name of one; without it, list the kinds.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Argument(help="Name of one; without it, list all of the kind.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Print any declaration: a table's columns, a rule's arguments, a setting's variable, an error's next move.

    Examples:  dataflow describe customer_360

               dataflow describe setting lake

               dataflow describe error SinkError -o json
    """
    from dataflow.observe.describe import KINDS, find_anywhere, find_kind
    from dataflow.observe.describe import describe as find

    if kind is None:
        settings = _settings_if_valid(context)
        kinds = [
            {"kind": one.name, "count": len(one.found(settings)), "meaning": one.meaning, "declared in": one.where}
            for one in KINDS.values()
        ]
        write_records(kinds, output=output, title="Kinds of declarations")
        return
    settings = _settings_if_valid(context)
    if name is None and kind.lower() not in KINDS:
        _write(find_anywhere(kind, settings), output=output)
        return
    chosen = find_kind(kind)
    if name is None:
        found = [{"name": one.name, "meaning": one.meaning} for one in chosen.found(settings)]
        write_records(found, output=output, title=chosen.meaning)
    else:
        _write(find(chosen, name, settings), output=output)


def docs(
    out: Annotated[Path, typer.Option("--out", help="Folder to write reference.md into.")] = Path(),
) -> None:
    """Write one Markdown page with every setting, operator, rule, table and error.

    Example:  dataflow docs --out .github
    """
    from dataflow.observe.reference import FILE_NAME, write_reference

    out.mkdir(parents=True, exist_ok=True)
    (out / FILE_NAME).write_text(write_reference(), encoding="utf-8")
    messages.print(f"Wrote {out / FILE_NAME}")


def _settings_if_valid(context: typer.Context) -> Settings | None:
    """Return the settings, or None where dataflow.toml is wrong: then most of all people ask what a setting can be."""
    try:
        return globals_of(context).settings()
    except ConfigurationError as error:
        messages.print(f"Declarations of dataflow.toml are left out, because it is wrong: {error}")
        return None


def _write(found: list[Description], *, output: Output) -> None:
    if output is Output.JSON:
        documents = [one.as_dict() for one in found]
        write_json(documents[0] if len(documents) == 1 else documents)
    elif output is Output.CSV:
        raise UsageError("A declaration has several parts and cannot be one CSV.", next_move="Use -o json.")
    for one in found if output is Output.TABLE else ():
        write_line(one.name)
        facts = {"meaning": one.meaning, **one.facts}
        write_records([{"fact": label, "value": _text(value)} for label, value in facts.items()], output=output)
        for title, rows in one.parts.items():
            write_line()
            cells = [{label: _text(value) for label, value in row.items()} for row in rows]
            write_records(cells, output=output, title=title.capitalize())
        write_line()


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
