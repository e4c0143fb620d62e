"""Keep the sessions of this process by run id: tasks carry the id only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from dataflow.run.session import RunSession, open_run
from dataflow.settings import Settings

_sessions: dict[str, RunSession] = {}


def session_of_run(run_id: str) -> RunSession:
    """Return the session of a run of this process."""
    return _sessions[run_id]


@contextmanager
def registered(session: RunSession) -> Iterator[RunSession]:
    """Let tasks find the session while the block runs."""
    _sessions[session.run.run_id] = session
    try:
        yield session
    finally:
        del _sessions[session.run.run_id]


@contextmanager
def join_or_open(run_id: str | None, settings: Settings, kind: str, *, now: datetime | None) -> Iterator[RunSession]:
    """Yield the session that the caller of the flow has opened, or open one."""
    if run_id is not None:
        yield session_of_run(run_id)
        return
    with open_run(settings, kind, now=now) as session, registered(session):
        yield session
