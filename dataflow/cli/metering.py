"""Serve the metrics of `dataflow metrics` to a monitoring system that scrapes them."""

from __future__ import annotations

import typer

from dataflow.cli.options import require_role, settings_of
from dataflow.cli.output import messages
from dataflow.cli.watching import ending_on_signals
from dataflow.errors import UsageError
from dataflow.observe.telemetry.scrape import answer_for, serving_metrics
from dataflow.settings.roles import ENGINEER


def serve_metrics(context: typer.Context, listen: str) -> None:
    """Serve the metrics at host:port until SIGTERM or Ctrl-C. Raises: UsageError, ConfigurationError, AccessRefused."""
    require_role(context, of=[ENGINEER], command="metrics --listen")
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise UsageError("--listen is host:port, such as 127.0.0.1:9464.")
    with ending_on_signals() as stop, serving_metrics(host, int(port), answer_for(settings_of(context))) as served:
        messages.print(f"Metrics are served at http://{host}:{served}/metrics.")
        stop.wait()
