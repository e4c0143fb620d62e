"""metrics: the state of the lake as numbers for a monitoring system."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from dataflow.cli.options import open_door, require_role, settings_of
from dataflow.cli.output import messages
from dataflow.errors import UsageError
from dataflow.settings.roles import ENGINEER


def register(app: typer.Typer) -> None:
    app.command("metrics")(metrics)


def metrics(
    context: typer.Context,
    listen: Annotated[
        str | None,
        typer.Option("--listen", help="Serve them at /metrics of this host:port until SIGTERM or Ctrl-C."),
    ] = None,
) -> None:
    """Write freshness, rows, dead letters, incidents and service level as Prometheus reads them.

    A run sends these and its own by OTLP and as CloudWatch's embedded metrics: `dataflow describe setting telemetry`.

    Example:  dataflow metrics
    """
    from dataflow.observe.telemetry.measurements import measure_lake
    from dataflow.observe.telemetry.texts import write_prometheus

    if listen is not None:
        _serve(context, listen)
        return
    with open_door(context, "status", reads=None) as door:
        found = measure_lake(door.con, settings_of(context), now=datetime.now(UTC))
    sys.stdout.write(write_prometheus(found))


def _serve(context: typer.Context, listen: str) -> None:
    from dataflow.cli.watching import ending_on_signals
    from dataflow.observe.telemetry.scrape import answer_for, serving_metrics

    require_role(context, of=[ENGINEER], command="metrics --listen")
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise UsageError("--listen is host:port, such as 127.0.0.1:9464.")
    with ending_on_signals() as stop, serving_metrics(host, int(port), answer_for(settings_of(context))) as served:
        messages.print(f"Metrics are served at http://{host}:{served}/metrics.")
        stop.wait()
