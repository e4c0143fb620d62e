"""metrics: the state of the lake as numbers for a monitoring system."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.options import require_role, settings_of
from dataflow.cli.output import messages
from dataflow.errors import UsageError

if TYPE_CHECKING:
    from dataflow.settings import Settings


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
    from dataflow.observe.telemetry.run_end import measure_published
    from dataflow.observe.telemetry.texts import write_prometheus
    from dataflow.settings.roles import ENGINEER

    # They count rows of all tables, and are read as runs read: no role's mart has them.
    require_role(context, of=[ENGINEER], command="metrics")
    settings = settings_of(context)
    if listen is not None:
        _serve(settings, listen)
        return
    sys.stdout.write(write_prometheus(measure_published(settings, now=datetime.now(UTC))))


def _serve(settings: Settings, listen: str) -> None:
    from dataflow.cli.watching import ending_on_signals
    from dataflow.observe.telemetry.scrape import answer_for, serving_metrics

    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise UsageError("--listen is host:port, such as 127.0.0.1:9464.")
    with ending_on_signals() as stop, serving_metrics(host, int(port), answer_for(settings)) as served:
        messages.print(f"Metrics are served at http://{host}:{served}/metrics.")
        stop.wait()
