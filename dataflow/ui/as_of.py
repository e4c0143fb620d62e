"""Tell of when the published data are that a page shows: every figure says it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from dataflow.access.door import Door
from dataflow.access.log.recorder import RecordedConnection
from dataflow.access.marts import read_mart
from dataflow.run.folders import started_at_of
from dataflow.tables.published import KPI_DAILY
from lakehouse import LakeView
from lakehouse.table import DATABASE


@dataclass(frozen=True)
class AsOf:
    """The publication that a page shows, and when its run started; None where nothing says it."""

    publication: int | None
    at: datetime | None


def as_of(door: Door) -> AsOf:
    """Return the publication that the door shows."""
    # Of the mart's own facts and the run's id nothing is about a person, and DataFlow's own SQL reads them.
    con = cast(RecordedConnection, door.con).unrecorded
    if door.role.opens_lake:
        view = LakeView(con, door.location)
        publication = view.last_change_in("published")
    else:
        facts = read_mart(con, DATABASE)
        publication = facts.publication if facts else None
    [(run_id,)] = con.execute(f"SELECT max(_run_id) FROM {KPI_DAILY.sql_name}").fetchall()
    started = started_at_of(run_id) if run_id else None
    return AsOf(publication, started[1] if started else None)
