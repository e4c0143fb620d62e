"""Run a flow in this process: with Prefect where PREFECT_API_URL is set, else without."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from importlib import import_module
from typing import Any

from dataflow.access.modes import private_files, share_files
from dataflow.run.record import RunOutcome
from dataflow.run.session import RunSession, open_run
from dataflow.settings import Settings
from dataflow.settings.environment import prefect_api_url, prefect_environment
from dataflow.workspace.report import measured
from flows.engine import InProcess
from flows.incidents import watching_incidents
from flows.sessions import registered


def run_flow(settings: Settings, kind: str, *, now: datetime | None = None, **parameters: Any) -> RunOutcome:
    """Run the flow named `kind` in this process; return its outcome.

    Raises: the error that ended it; LakeLocked immediately when another run holds the lake.
    """
    if prefect_api_url() is None:
        return run_here(settings, kind, now=now, **parameters)
    with _opened(settings, kind, now) as session:
        return _run_on_prefect(session, kind, parameters)


def run_here(settings: Settings, kind: str, *, now: datetime | None = None, **parameters: Any) -> RunOutcome:
    """Run the steps of the flow named `kind` without Prefect; return the outcome. Raises: as `run_flow`."""
    with _opened(settings, kind, now) as session:
        # Imported here: a run that finds the lake locked does not wait for imports.
        from flows.kinds import KINDS, perform

        with measured() as watch, registered(session, InProcess(settings)), private_files():
            share_files(settings)
            outcome = perform(session, KINDS[kind](**parameters))
            return _with_share(outcome, watch.seconds)


@contextmanager
def _opened(settings: Settings, kind: str, now: datetime | None) -> Iterator[RunSession]:
    with (
        watching_incidents(settings) as watched,
        open_run(settings, kind, now=now) as session,
        _uncollected(),
    ):
        watched.session = session
        yield session


def _run_on_prefect(session: RunSession, kind: str, parameters: dict[str, Any]) -> RunOutcome:
    with measured() as watch, prefect_environment(session.settings.home):
        pipelines, on_prefect = import_module("flows.pipelines"), import_module("flows.on_prefect")
        from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

        with (
            registered(session, on_prefect.OnPrefect(session.settings)),
            # No heartbeats: each run would wait 1 s for the first.
            # The address is set again: Prefect keeps the one of its first import.
            temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_API_URL: prefect_api_url()}),
        ):
            state = getattr(pipelines, kind)(run_id=session.run.run_id, return_state=True, **parameters)
        # A partial run has an outcome, although its state is a failure.
        if state.name != "Partial":
            state.result()
        assert session.outcome is not None
        return _with_share(session.outcome, watch.seconds)


def _with_share(outcome: RunOutcome, seconds: float) -> RunOutcome:
    """Return the outcome with the seconds that were not spent in its stages."""
    return replace(outcome, orchestration_seconds=seconds - sum(timing.seconds for timing in outcome.timings))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Collect garbage less often: a run's rows are in DuckDB, and imports make millions of lasting objects."""
    usual = gc.get_threshold()
    gc.set_threshold(100_000, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
