"""The event of one publication.

The lake is its own outbox: every snapshot that changed published tables is an event, and an endpoint keeps the number
of the last one that it took. No crash loses one, and one that was sent before a crash is sent again with the same id.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lakehouse import LakeView, Snapshot

SOURCE = "dataflow"
EVENT_TYPE = f"{SOURCE}.publication"

_SCHEMA = "published"
_ROWS = ("inserted_into", "deleted_from", "dropped")


@dataclass(frozen=True, kw_only=True)
class PublicationEvent:
    """One publication, without a value of any customer. `tables` are those whose rows changed."""

    lake_id: str
    publication: int
    run_id: str
    published_at: datetime
    tables: tuple[str, ...]

    @property
    def event_id(self) -> str:
        """Return the id by which a receiver knows an event that it has had already."""
        return f"{self.lake_id}:{self.publication}"

    def content(self) -> dict[str, Any]:
        """Return what every kind of endpoint gets."""
        return {
            "id": self.event_id,
            "type": EVENT_TYPE,
            "lake_id": self.lake_id,
            "publication": self.publication,
            "run_id": self.run_id,
            "published_at": self.published_at.astimezone(UTC).isoformat(),
            "tables": list(self.tables),
        }

    def body(self) -> bytes:
        """Return the event as JSON."""
        return json.dumps(self.content(), separators=(",", ":")).encode()


def events_after(view: LakeView, publication: int | None) -> list[PublicationEvent]:
    """List the publications after a number, oldest first; of None the newest one alone.

    Publications whose snapshots were expired are not listed: what they changed shows in the next one.
    """
    lake_id = view.lake_id()
    events = [event for snapshot in view.snapshots() if (event := _event(snapshot, lake_id)) is not None]
    if publication is None:
        return events[-1:]
    return [event for event in events if event.publication > publication]


def _event(snapshot: Snapshot, lake_id: str) -> PublicationEvent | None:
    touched = {name for kind in _ROWS for name in snapshot.changes.get(kind, ()) if name.startswith(f"{_SCHEMA}.")}
    if not touched:
        return None
    return PublicationEvent(
        lake_id=lake_id,
        publication=snapshot.id,
        run_id=snapshot.run_id,
        published_at=snapshot.at,
        tables=tuple(sorted(touched)),
    )
