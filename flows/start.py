"""Run a flow in this process, with a local Prefect API: the edge between the command line and Prefect."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from importlib import import_module
from typing import Any

from dataflow.run.record import RunOutcome
from dataflow.run.session import open_run
from dataflow.settings import Settings
from dataflow.settings.environment import prefect_api_url, prefect_environment
from dataflow.workspace.report import measured
from flows.incidents import watching_incidents
from flows.orchestrator import local_server, orchestrator
from flows.sessions import registered
from flows.warm_up import start_warm_up


@contextmanager
def connected(settings: Settings) -> Iterator[None]:
    """Connect this process's Prefect to the API of the enclosing `orchestrator`, once that answers."""
    server = local_server()
    with prefect_environment(settings.home, api_url=server.api_url if server else None):
        from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

        if server is not None:
            start_warm_up()
            server.wait()
        # No heartbeats: server and worker end together here, and each run would wait 1 s for the first.
        # The address is set again: Prefect keeps the one of its first import.
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_API_URL: prefect_api_url()}):
            yield


def run_flow(settings: Settings, kind: str, *, now: datetime | None = None, **parameters: Any) -> RunOutcome:
    """Run the flow named `kind` in this process; return its outcome.

    Raises: the error that ended it; LakeLocked immediately when another run holds the lake.
    """
    with (
        watching_incidents(settings) as watched,
        orchestrator(settings),
        open_run(settings, kind, now=now) as session,
        registered(session),
    ):
        watched.session = session
        # The lake is opened first: a run that finds it locked does not wait for Prefect, whose API starts meanwhile.
        spent = _import_prefect(settings)
        from flows import pipelines

        with measured() as watch, connected(settings), _seldom_collected():
            flow = getattr(pipelines, kind)
            state = flow(run_id=session.run.run_id, return_state=True, **parameters)
        # A partial run has an outcome, although its state is a failure.
        if state.name != "Partial":
            state.result()
        assert session.outcome is not None
        spent += watch.seconds - sum(timing.seconds for timing in session.outcome.timings)
        return replace(session.outcome, orchestration_seconds=spent)


def _import_prefect(settings: Settings) -> float:
    """Import Prefect and the flows; return the seconds that Prefect itself took."""
    server = local_server()
    with prefect_environment(settings.home, api_url=server.api_url if server else None), _uncollected():
        with measured() as watch:
            import_module("prefect.context")
            seconds = watch.seconds
        import_module("flows.pipelines")
    return seconds


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Collect garbage less often: a run's rows are in DuckDB, so Python has little to free."""
    usual = gc.get_threshold()
    gc.set_threshold(100_000, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Import without garbage collection, which takes a third of the time and frees nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
