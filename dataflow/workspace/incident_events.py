"""Events of incidents: written to the outbox first, and to `ops.incident_event` with the next run that is recorded.

The outbox is a folder of the lake's inbox, so that an incident of a lake that cannot be opened is kept and sent. Where
the outbox itself cannot be written, the home takes its place. The state of an incident is derived from the events of
lake and outbox together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from dataflow.access.inbox import outbox_at
from dataflow.access.lake import lake_location
from dataflow.errors import ConfigurationError
from dataflow.settings import Settings
from dataflow.tables.ops import INCIDENT_EVENT
from dataflow.tables.ops.incidents import EVENT_KINDS, SEVERITIES
from lakehouse import Inbox, LakeError, Message, MessageFolder
from lakehouse.query import fetch_records
from lakehouse.table import column_list, literal, timestamp_literal

EVENT_MESSAGE = "incident_event"
"""The kind of a message of the outbox that is an event of an incident."""

_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class IncidentEvent:
    """One event of an incident; `event_id` orders all events in time."""

    event_id: str
    incident_key: str
    kind: str
    rule: str
    object: str
    cause: str
    severity: str
    owner: str
    summary: str
    run_id: str = ""
    author: str | None = None
    occurred_at: datetime

    def body(self) -> dict[str, Any]:
        """Return the body of the message; id, author and time are those of the message."""
        return {name: value for name, value in asdict(self).items() if name not in _OF_MESSAGE}


_OF_MESSAGE = ("event_id", "author", "occurred_at")
_BODY = frozenset(IncidentEvent.__dataclass_fields__) - set(_OF_MESSAGE)


class Outbox:
    """The messages that leave the lake: events of incidents, and notes of what was sent to whom."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _places(self) -> list[Inbox]:
        """Return the outbox of the lake and the one of the home, which takes its place where it cannot be written."""
        spare = Inbox(MessageFolder(Path(self._settings.home) / "outbox"))
        try:
            own = outbox_at(lake_location(self._settings))
        except ConfigurationError:
            own = None
        return [spare] if own is None else [own, spare]

    def write(self, kind: str, *, author: str, body: Mapping[str, Any], now: datetime) -> Message:
        """Write a message where it can be written. Raises: LakeError where none of the places can."""
        *first, last = self._places
        for place in first:
            try:
                return place.write(kind, author=author, body=body, now=now)
            except (LakeError, OSError):
                continue
        return last.write(kind, author=author, body=body, now=now)

    def read(self) -> list[Message]:
        """Return all messages, in order; a place that cannot be read has none."""
        found: list[Message] = []
        for place in self._places:
            try:
                found += place.read().messages
            except (LakeError, OSError):
                continue
        return sorted(found, key=lambda message: message.id)

    def remove(self, ids: Iterable[str]) -> None:
        """Remove messages, wherever they are."""
        every = list(ids)
        for place in self._places:
            place.remove(every)


def parse_events(messages: Iterable[Message]) -> list[IncidentEvent]:
    """Return the events among messages; one that this version cannot read is left out."""
    return [event for message in messages if (event := _parsed(message)) is not None]


def _parsed(message: Message) -> IncidentEvent | None:
    body = message.body
    if message.kind != EVENT_MESSAGE or not all(isinstance(body.get(name), str) for name in _BODY):
        return None
    if body["kind"] not in EVENT_KINDS or body["severity"] not in SEVERITIES:
        return None
    return IncidentEvent(
        event_id=message.id,
        author=message.author if body["kind"] == "acknowledged" else None,
        occurred_at=message.written_at,
        **{name: body[name] for name in _BODY},
    )


def write_incident_events(con: duckdb.DuckDBPyConnection, events: Sequence[IncidentEvent], *, run_id: str) -> None:
    """Write events to the lake inside the caller's transaction; it can be repeated."""
    for start in range(0, len(events), _AT_ONCE):
        rows = ", ".join(f"({', '.join(_literals(event, run_id))})" for event in events[start : start + _AT_ONCE])
        names = column_list(INCIDENT_EVENT.column_names)
        con.execute(
            f"INSERT INTO {INCIDENT_EVENT.in_lake} BY NAME SELECT * FROM (VALUES {rows}) AS v ({names})"
            f" ANTI JOIN {INCIDENT_EVENT.in_lake} USING (event_id)"
        )


def _literals(event: IncidentEvent, run_id: str) -> list[str]:
    values = {**asdict(event), "_run_id": run_id}
    return [
        timestamp_literal(value)
        if isinstance(value, datetime)
        else "NULL::VARCHAR"
        if value is None
        else literal(value)
        for value in (values[name] for name in INCIDENT_EVENT.column_names)
    ]


def read_incident_events(con: duckdb.DuckDBPyConnection, *, all_of: bool = False) -> list[IncidentEvent]:
    """Read the events of the lake on `con`, in order: those of incidents that are not resolved, or `all_of` them."""
    names = [name for name in INCIDENT_EVENT.column_names if name != "_run_id"]
    # Several events can resolve one incident; all that came after the last of them belongs to an open one.
    last = "max(event_id) FILTER (WHERE kind = 'resolved') OVER (PARTITION BY incident_key)"
    newest = "" if all_of else f"QUALIFY event_id > coalesce({last}, '')"
    asked = f"SELECT DISTINCT {column_list(names)} FROM {INCIDENT_EVENT.in_lake} {newest} ORDER BY event_id"
    try:
        rows = fetch_records(con, asked)
    except duckdb.CatalogException:
        return []  # of a lake that no run of this version has opened
    return [IncidentEvent(**row) for row in rows]
