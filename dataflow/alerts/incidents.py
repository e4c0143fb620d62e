"""Derive incidents from their events; the order in which the events arrive does not matter."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from dataflow.access.lake import lake_location
from dataflow.errors import ConfigurationError
from dataflow.settings import Settings
from dataflow.workspace.incident_events import IncidentEvent

State = Literal["open", "acknowledged", "resolved"]


@dataclass(frozen=True, kw_only=True)
class Incident:
    """One incident, from the event that opened it to the one that resolved it. `seen` counts the runs that found it."""

    incident_key: str
    rule: str
    object: str
    cause: str
    severity: str
    owner: str
    summary: str
    state: State
    seen: int
    opened_at: datetime
    last_seen_at: datetime
    opened_by: str
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None

    @property
    def is_open(self) -> bool:
        """Return whether it is not resolved."""
        return self.state != "resolved"


def place_of_lake(settings: Settings) -> str:
    """Return the place of the lake: two lakes that report to one service have incidents of their own."""
    try:
        return str(lake_location(settings).catalogue)
    except ConfigurationError:
        return str(settings.home)


def key_of_incident(place: str, rule: str, object: str, cause: str) -> str:
    """Return the key by which the same cause is one incident."""
    return hashlib.sha256("\x1f".join((place, rule, object, cause)).encode()).hexdigest()[:16]


def derive_incidents(events: Iterable[IncidentEvent]) -> list[Incident]:
    """Return the incidents that events make, oldest first. Repeated events count once.

    An event that finds the cause opens an incident, or is one more sighting of the open one. One that acknowledges or
    resolves where nothing is open changes nothing.
    """
    done: list[Incident] = []
    current: dict[str, Incident] = {}
    for event in sorted({event.event_id: event for event in events}.values(), key=lambda one: one.event_id):
        incident = current.get(event.incident_key)
        if incident is None:
            if event.kind in ("opened", "seen"):
                current[event.incident_key] = _opened(event)
            continue
        after = _advanced(incident, event)
        if after.is_open:
            current[event.incident_key] = after
        else:
            done.append(after)
            del current[event.incident_key]
    return sorted([*done, *current.values()], key=lambda one: (one.opened_at, one.incident_key))


def open_incidents(events: Iterable[IncidentEvent]) -> dict[str, Incident]:
    """Return the incidents that are not resolved, by key."""
    return {one.incident_key: one for one in derive_incidents(events) if one.is_open}


def _opened(event: IncidentEvent) -> Incident:
    return Incident(
        incident_key=event.incident_key,
        rule=event.rule,
        object=event.object,
        cause=event.cause,
        severity=event.severity,
        owner=event.owner,
        summary=event.summary,
        state="open",
        seen=1,
        opened_at=event.occurred_at,
        last_seen_at=event.occurred_at,
        opened_by=event.run_id,
    )


def _advanced(incident: Incident, event: IncidentEvent) -> Incident:
    if event.kind == "resolved":
        return replace(incident, state="resolved", resolved_at=event.occurred_at, resolved_by=event.run_id)
    if event.kind == "acknowledged":
        if incident.state == "acknowledged":
            return incident
        return replace(incident, state="acknowledged", acknowledged_by=event.author, acknowledged_at=event.occurred_at)
    return replace(
        incident,
        seen=incident.seen + 1,
        last_seen_at=event.occurred_at,
        summary=event.summary,
        severity=event.severity,
        owner=event.owner,
    )
