"""Decide by what a run found which incidents it opens, sees again and resolves, and write these events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from dataflow.alerts.findings import Found, Sighting
from dataflow.alerts.incidents import Incident, key_of_incident, open_incidents, place_of_lake
from dataflow.settings import Settings
from dataflow.workspace.incident_events import EVENT_MESSAGE, IncidentEvent, Outbox, parse_events
from dataflow.workspace.run_row import CRASHED
from lakehouse import LakeError

AUTHOR = "dataflow"


def record_findings(
    settings: Settings, found: Found, outbox: Outbox, *, in_lake: Sequence[IncidentEvent], now: datetime
) -> list[IncidentEvent]:
    """Write the events that findings make, and return them; `in_lake` are those of the lake's open incidents.

    Where no event can be written, as on a full disk, they are returned all the same, so that they can be sent.
    """
    known = open_incidents([*in_lake, *parse_events(outbox.read())])
    return [_write(outbox, body, now=now) for body in _decided(settings, found, known)]


def acknowledge(outbox: Outbox, incident: Incident, *, who: str, now: datetime) -> IncidentEvent:
    """Write that somebody has taken an incident. Raises: LakeError where it cannot be written."""
    body = _body_of(incident, "acknowledged", run_id="")
    message = outbox.write(EVENT_MESSAGE, author=who, body=body, now=now)
    return parse_events([message])[0]


def _decided(settings: Settings, found: Found, known: Mapping[str, Incident]) -> Iterator[dict[str, str]]:
    place = place_of_lake(settings)
    opened: dict[str, Incident | None] = {}
    for sighting in found.sightings:
        key = key_of_incident(place, sighting.rule, *sighting.about)
        incident = known.get(key)
        opened[key] = incident
        # A crash counts as seen once: the run that records it finds the same one again.
        if incident is not None and sighting.rule == CRASHED and incident.summary == sighting.summary:
            continue
        yield _body(sighting, key, "seen" if incident else "opened", run_id=found.run_id)
        if incident is None and sighting.about in found.in_order:
            # Such as a crash that the same run has recovered from.
            yield _body(sighting, key, "resolved", run_id=found.run_id)
    for key, incident in known.items():
        is_healed = (incident.object, incident.cause) in found.in_order
        if is_healed and (key not in opened or incident.rule == CRASHED):
            yield _body_of(incident, "resolved", run_id=found.run_id)


def _body(sighting: Sighting, key: str, kind: str, *, run_id: str) -> dict[str, str]:
    subject, cause = sighting.about
    return {
        "incident_key": key,
        "kind": kind,
        "rule": sighting.rule,
        "object": subject,
        "cause": cause,
        "severity": sighting.severity,
        "owner": sighting.owner,
        "summary": sighting.summary,
        "run_id": run_id,
    }


def _body_of(incident: Incident, kind: str, *, run_id: str) -> dict[str, str]:
    names = ("incident_key", "rule", "object", "cause", "severity", "owner", "summary")
    return {name: str(getattr(incident, name)) for name in names} | {"kind": kind, "run_id": run_id}


def _write(outbox: Outbox, body: dict[str, Any], *, now: datetime) -> IncidentEvent:
    try:
        [event] = parse_events([outbox.write(EVENT_MESSAGE, author=AUTHOR, body=body, now=now)])
    except LakeError:
        # Later than every event of the outbox: it is sent by this process, or found again by the next run.
        return IncidentEvent(
            event_id=f"{now:%Y%m%dT%H%M%S%fZ}-unwritten-{body['incident_key']}", occurred_at=now, **body
        )
    return event
