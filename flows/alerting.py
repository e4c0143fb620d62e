"""Flows of the alerts: send what waits, and open an incident of what Prefect saw of a run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from prefect import flow
from prefect.artifacts import create_table_artifact

from dataflow.access.modes import private_files, share_files
from dataflow.alerts.run_end import deliver_waiting, report_run_state
from dataflow.settings import load_settings


@flow(name="deliver", persist_result=False)
def deliver(config: Path | None = None, home: Path | None = None) -> None:
    """Send the notifications that wait, and find runs that crashed. A channel that fails is tried by the next one."""
    settings = load_settings(config, home=home)
    with private_files():
        share_files(settings)
        failed = [one for one in deliver_waiting(settings, now=datetime.now(UTC)) if one.failure]
    if failed:
        rows = [{"channel": one.channel, "waiting": one.waiting, "failure": one.failure} for one in failed]
        create_table_artifact(rows, key="notifications", description="Channels that did not take their notifications")


@flow(name="report-run", persist_result=False)
def report_run(
    state: Literal["crashed", "late", "stuck"],
    flow_name: str,
    run_name: str,
    config: Path | None = None,
    home: Path | None = None,
) -> None:
    """Open an incident of a run that crashed before it could record itself, began late, or does not end."""
    settings = load_settings(config, home=home)
    with private_files():
        share_files(settings)
        report_run_state(settings, state, flow_name, run_name=run_name, now=datetime.now(UTC))
