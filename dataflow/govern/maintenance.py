"""Maintenance of the lake as the pipeline needs it: what a run has still to read is never expired."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from dataflow.access.lake import open_lake
from dataflow.settings import Settings
from dataflow.tables.ops import RUN
from lakehouse import Lake
from lakehouse.maintain import maintain


def maintain_lake(settings: Settings, *, older_than: datetime) -> dict[str, Any]:
    """Compact, expire snapshots from before `older_than`, clean up; returns counts. Raises: LakeLocked."""
    with open_lake(settings, purpose="maintenance", alone=True) as lake:
        done = maintain(lake, older_than=older_than, needed_after=published_up_to(lake))
    return asdict(done)


def published_up_to(lake: Lake) -> int:
    """The snapshot up to which landed rows were published: the next run reads on from there."""
    if RUN.full_name not in lake.tables():
        return 0
    row = lake.con.execute(f"SELECT coalesce(max(raw_snapshot_id), 0) FROM {RUN.in_lake}").fetchone()
    return int(row[0]) if row else 0
