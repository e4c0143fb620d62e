"""The end of a run: its findings become events of incidents, and what waits is sent."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from dataflow.access.lake import lake_location
from dataflow.access.pipeline import open_published
from dataflow.alerts.delivering import Delivered, deliver
from dataflow.alerts.findings import Found, found_by, found_crashed, found_in_state, found_without_lake
from dataflow.alerts.recording import record_findings
from dataflow.errors import DataFlowError
from dataflow.run.claims import list_unended
from dataflow.run.session import RunSession
from dataflow.settings import Settings
from dataflow.workspace.incident_events import IncidentEvent, Outbox, read_incident_events
from lakehouse import LakeError


def end_run(settings: Settings, session: RunSession | None, error: Exception | None, *, now: datetime) -> list[str]:
    """Record what a run found and send what waits; return what failed of that. It never raises an error.

    `session` is None where the run did not get to open the lake.
    """
    try:
        if session is not None:
            found = found_by(session, error, settings)
            in_lake, recorded = session.incident_events, session.recorded_events
        elif error is not None:
            found, in_lake, recorded = found_without_lake(error), [], frozenset()
        else:
            return []
        delivered = _record_and_deliver(settings, found, in_lake, recorded=recorded, now=now)
    except Exception as second:  # noqa: BLE001 (any error: it must not hide how the run ended)
        return [f"Its incidents could not be recorded or sent ({type(second).__name__})."]
    return [one.failure for one in delivered if one.failure]


def deliver_waiting(settings: Settings, *, now: datetime) -> list[Delivered]:
    """Send what waits in the outbox; open incidents of runs that crashed since."""
    try:
        unended = list_unended(lake_location(settings), Path(settings.runs))
    except LakeError:
        unended = []  # a run that cannot open the lake opens the incident
    found = found_crashed(run.crashed() for run in unended if not run.is_running)
    in_lake = _open_in_lake(settings) if found.sightings else []
    return _record_and_deliver(settings, found, in_lake, recorded=frozenset(), now=now)


def report_run_state(settings: Settings, state: str, kind: str, *, run_name: str, now: datetime) -> list[Delivered]:
    """Open an incident of a run by the state that Prefect saw: crashed, late or stuck."""
    found = found_in_state(state, kind, run_name=run_name)
    return _record_and_deliver(settings, found, _open_in_lake(settings), recorded=frozenset(), now=now)


def _open_in_lake(settings: Settings) -> list[IncidentEvent]:
    """Return the events of the lake's open incidents; none where it cannot be read now."""
    try:
        with closing(open_published(settings)) as con:
            return read_incident_events(con)
    except (LakeError, DataFlowError):
        return []


def _record_and_deliver(
    settings: Settings,
    found: Found,
    in_lake: Sequence[IncidentEvent],
    *,
    recorded: frozenset[str],
    now: datetime,
) -> list[Delivered]:
    outbox = Outbox(settings)
    events = record_findings(settings, found, outbox, in_lake=in_lake, now=now)
    written = {message.id for message in outbox.read()} if events else set()
    unwritten = [event for event in events if event.event_id not in written]
    return deliver(settings, outbox, now=now, unwritten=unwritten, recorded=recorded)
