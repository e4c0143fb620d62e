"""Open, resolve and send incidents, and send telemetry, at the end of a run; none of it fails the run."""

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
        for note in (
            *end_run(settings, watched.session, error, now=datetime.now(UTC)),
            *_sent(settings, watched, error),
        ):
            error.add_note(note)
        raise
    end_run(settings, watched.session, None, now=datetime.now(UTC))
    _sent(settings, watched, None)


def _sent(settings: Settings, watched: WatchedRun, error: Exception | None) -> list[str]:
    """Send the telemetry of a run that got to open its lake; return what failed."""
    declared = settings.telemetry
    if watched.session is None or not (declared.otlp or declared.emf or declared.log_lines):
        return []
    # Imported here: most runs on a laptop send none.
    from dataflow.observe.telemetry.run_end import send_telemetry

    return send_telemetry(settings, watched.session, error, now=datetime.now(UTC))
