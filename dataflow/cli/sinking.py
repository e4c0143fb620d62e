"""sinks: what each copy of published data shows, and a copy of another lake adopted."""

from __future__ import annotations

from typing import Annotated

import typer

from dataflow.cli.options import Output, OutputOption, YesOption, require_role, settings_of
from dataflow.cli.output import messages, write_records

sinks = typer.Typer(no_args_is_help=True, help="The copies of published data outside the lake: warehouse, cache.")


def register(app: typer.Typer) -> None:
    app.add_typer(sinks, name="sinks")


@sinks.command("list")
def list_sinks(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """List the sinks, and the publication that each shows.

    Example:  dataflow sinks list -o json
    """
    from dataflow.observe.sinks import look_at_sink
    from dataflow.sinks import SINKS

    settings = settings_of(context)
    write_records([look_at_sink(kind, settings) for kind in SINKS.values()], output=output, title="Sinks")


@sinks.command("adopt")
def adopt(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The sink, as `dataflow sinks list` names it.")],
    yes: YesOption = False,
) -> None:
    """Empty a sink that another lake filled, or that is ahead of this lake; the next run writes it whole.

    Example:  dataflow sinks adopt warehouse
    """
    from dataflow.access.lake import lake_location
    from dataflow.errors import ConfigurationError
    from dataflow.settings.roles import ENGINEER
    from dataflow.sinks import SINKS
    from lakehouse import lease

    require_role(context, of=[ENGINEER], command="sinks adopt")
    settings = settings_of(context)
    kind = SINKS.find(name)
    if not kind.is_on(settings):
        raise ConfigurationError(
            f"The sink {name} is off.", next_move=f"The section {kind.section} of dataflow.toml switches it on."
        )
    with lease(lake_location(settings), f"sink-{name}", purpose="dataflow sinks adopt"):
        sink = kind.open(settings)
        shown = sink.shows()
        what = f"publication {shown.publication} of lake {shown.lake_id or 'unknown'}" if shown else "nothing"
        if not yes:
            messages.print(f"The sink {name} shows {what}. All of it is removed.")
            typer.confirm("Go on?", abort=True, err=True)
        sink.clear()
    messages.print(f"The sink {name} is empty; the next `dataflow run` writes it whole.")
