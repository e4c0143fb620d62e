"""warehouse: how the warehouse differs from lake and settings, and its access brought to these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.options import Output, OutputOption, YesOption, require_role, settings_of
from dataflow.cli.output import messages, write_json, write_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflow.settings import Settings
    from dataflow.sinks.protocol import Planned

warehouse = typer.Typer(no_args_is_help=True, help="The warehouse: its tables beside the lake's, and who may read it.")

_TITLES = {"publication": "Publication", "tables": "Tables", "access": "Differences of access"}


def register(app: typer.Typer) -> None:
    app.add_typer(warehouse, name="warehouse")


@warehouse.command("plan")
def plan(
    context: typer.Context,
    deep: Annotated[
        bool, typer.Option("--deep", help="Compare all rows with the lake's; BigQuery bills them.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare the warehouse with lake and settings; change nothing.

    Access is compared in both directions: declared and missing, which `apply` creates, and there without being
    declared, which `apply --prune` removes. The bytes of an update are BigQuery's estimate, at most.

    Example:  dataflow warehouse plan -o json
    """
    from dataflow.errors import WarehouseDiffers

    sink, _ = _open(context)
    parts = sink.plan(is_deep=deep)
    if output is Output.JSON:
        write_json(parts)
    else:
        for name, records in parts.items():
            write_records(records, output=output, title=_TITLES[name])
    differing = [str(row["table"]) for row in parts["tables"] if row["is_equal"] is False]
    if differing:
        raise WarehouseDiffers(f"Other rows than in the lake: {', '.join(differing)}.")


@warehouse.command("apply")
def apply(
    context: typer.Context,
    prune: Annotated[bool, typer.Option("--prune", help="Also remove what is not declared.")] = False,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Create the row policies, tags, views and grants that the roles declare; name those that are not declared.

    Example:  dataflow warehouse apply
    """
    from dataflow.access.lake import lake_location
    from dataflow.settings.roles import ENGINEER
    from lakehouse import lease

    require_role(context, of=[ENGINEER], command="warehouse apply")

    def confirm(undeclared: Sequence[dict[str, Any]]) -> bool:
        messages.print("Not declared, and to be removed:")
        for one in undeclared:
            messages.print(f"  {one['kind']} {one['name']} of {one['place']}")
        return yes or typer.confirm("Remove all of it?", err=True)

    sink, settings = _open(context)
    with lease(lake_location(settings), "sink-warehouse", purpose="dataflow warehouse apply"):
        found = sink.apply(prune=prune, confirm=confirm)
    write_records(found, output=output, title=_TITLES["access"])
    if left := sum(not one["done"] for one in found):
        messages.print(f"{left} not declared, and left: `dataflow warehouse apply --prune` removes them.")


def _open(context: typer.Context) -> tuple[Planned, Settings]:
    from dataflow.errors import ConfigurationError
    from dataflow.sinks import SINKS, open_warehouse

    settings = settings_of(context)
    if not SINKS["warehouse"].is_on(settings):
        raise ConfigurationError("The warehouse is off.", next_move="[warehouse] in dataflow.toml switches it on.")
    return open_warehouse(settings), settings
