"""Open, resolve and send incidents at the end of a run, whether it began or not; none of it fails the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from dataflow.alerts.run_end import end_run
from dataflow.run.session import RunSession
from dataflow.settings import Settings


@dataclass
class WatchedRun:
    """A run whose end is looked at; `session` is set once its lake is open."""

    session: RunSession | None = None


@contextmanager
def watching_incidents(settings: Settings) -> Iterator[WatchedRun]:
    """Look at how the run of the block ends. An error that it raises is raised on, with notes on what failed here."""
    watched = WatchedRun()
    try:
        yield watched
    except Exception as error:
        for note in end_run(settings, watched.session, error, now=datetime.now(UTC)):
            error.add_note(note)
        raise
    end_run(settings, watched.session, None, now=datetime.now(UTC))
