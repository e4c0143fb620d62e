"""Keep the sessions of this process by run id, with their engines: steps carry the id only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dataflow.run.session import RunSession
from flows.engine import Engine

_sessions: dict[str, tuple[RunSession, Engine]] = {}


def session_of_run(run_id: str) -> RunSession:
    """Return the session of a run of this process."""
    return _sessions[run_id][0]


def engine_of(session: RunSession) -> Engine:
    """Return what executes the steps of a session."""
    return _sessions[session.run.run_id][1]


@contextmanager
def registered(session: RunSession, engine: Engine) -> Iterator[RunSession]:
    """Let steps find the session while the block runs, and its engine."""
    _sessions[session.run.run_id] = (session, engine)
    try:
        yield session
    finally:
        del _sessions[session.run.run_id]
