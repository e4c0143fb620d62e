"""Maintain the lake without expiring snapshots that a run has still to read."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from dataflow.access.lake import open_lake
from dataflow.settings import Settings
from dataflow.tables.declared import declared_objects
from dataflow.workspace.position import needed_after
from lakehouse.damage import require_whole
from lakehouse.maintain import maintain


def maintain_lake(settings: Settings, *, older_than: datetime) -> dict[str, Any]:
    """Compact, expire snapshots from before `older_than`, clean up; return counts. Raises: LakeLocked, LakeDamaged.

    Snapshots after the oldest position of a declared object stay at any age: its next run reads them.
    """
    with open_lake(settings, purpose="maintenance", alone=True, create=False) as lake:
        require_whole(lake.con, lake.location)
        needed = needed_after(lake, declared_objects(settings))
        done = maintain(lake, older_than=older_than, needed_after=needed)
    return asdict(done)
