"""reset: have everything after raw made anew for one object."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.options import Output, OutputOption, YesOption, require_yes, settings_of
from dataflow.cli.output import messages, write_json, write_records

if TYPE_CHECKING:
    from dataflow.govern.reset import ResetPlan


def register(app: typer.Typer) -> None:
    app.command("reset")(reset)


def reset(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="Source, as dataflow.toml names it.")],
    object_name: Annotated[str, typer.Argument(metavar="OBJECT", help="Object of that source.")],
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Have everything after raw made anew for one object, by what dataflow.toml declares now.

    Needed after key, cursor, deleted_flag or deleted_when_set of an object changed whose rows are published: its rows
    in raw have keys and versions by the former declaration, and would stay beside the new ones. Until then a run holds
    the object back and says so. A changed type, field or check needs no reset: the next run applies it by itself.

    Raw is kept as received. Key, version and deletion of its rows are read again; the next run makes valid, conformed
    and published rows anew, and asks a source that answers queries for all rows again where the cursor is another.
    With another key, records have other ids: judgements follow where exactly one record has the same content.

    Shows what it does, and asks. Nothing is published until the next run.

    Example:  dataflow reset mysql orders --yes
    """
    from dataflow.access.lake import open_lake
    from dataflow.govern.reset import plan_reset
    from dataflow.govern.reset import reset as reset_object

    settings = settings_of(context)
    with open_lake(settings, purpose="reset", alone=True, create=False) as lake:
        plan = plan_reset(lake, settings, (source, object_name))
        if output is not Output.JSON:
            _show(plan, output=output)
        require_yes(f"Reset {source}.{object_name}?", yes=yes, otherwise="Nothing was reset.")
        run_id = reset_object(lake, settings, plan)
    if output is Output.JSON:
        write_json({**asdict(plan), "run_id": run_id})
        return
    messages.print(f"Reset {source}.{object_name}. Next: `dataflow run` makes {plan.records:,} records of it anew.")


def _show(plan: ResetPlan, *, output: Output) -> None:
    shown = asdict(plan) | {"changes": "; ".join(plan.changes) or "none"}
    write_records([shown], output=output, title="A reset reads again from raw:")
    if plan.deletions_kept:
        messages.print(
            f"{plan.deletions_kept:,} deletions name their record by the former key only and delete none by the new "
            "one; `dataflow check` finds again which records the source no longer has."
        )
