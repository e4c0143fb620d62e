"""Keep the position of each object: the raw snapshot up to which it is published, after which a run reads.

Every row of an object landed in a snapshot up to its position is in the valid table or among the dead letters. A
publication moves the positions of the objects it validated, in its own transaction; so does a run that finds nothing
to publish. An object that a run leaves out keeps its position, and its new rows wait in raw. A restore writes the
positions of its target snapshot. An object without a position is read from all of raw: always right, only slower.

A lake made before `ops.position` existed has one number for all objects, in `ops.run.raw_snapshot_id`. The transaction
that creates the table copies that number; for a snapshot without the table the number is read instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import duckdb

from dataflow.tables.ops import POSITION, RUN
from dataflow.workspace.staging import Run
from dataflow.workspace.workspace import Workspace
from lakehouse import LakeView
from lakehouse.table import literal, timestamp_literal

ObjectName = tuple[str, str]
"""Source and object."""

Positions = Mapping[ObjectName, int]
"""The raw snapshot up to which each object is published; an object that was never published is absent."""

_FORMER = "raw_snapshot_id"
"""Column of `ops.run` in lakes made before November 2026; used only in this module."""


def read_positions(ws: Workspace) -> dict[ObjectName, int]:
    """Read the positions at the base snapshot of the run."""
    return _read(ws.con, ws.before(POSITION))


def positions_at(lake: LakeView, objects: Iterable[ObjectName], *, version: int) -> dict[ObjectName, int]:
    """Read the positions at a snapshot; without the position table, give `objects` the number of that snapshot."""
    tables = set(lake.tables(version))
    if POSITION.full_name in tables:
        return _read(lake.con, f"{POSITION.in_lake} AT (VERSION => {version})")
    if RUN.full_name in tables:
        return _former(lake.con, objects, f"{RUN.in_lake} AT (VERSION => {version})")
    return {}


def move_positions(con: duckdb.DuckDBPyConnection, positions: Positions, *, run_id: str, moved_at: datetime) -> None:
    """Set these positions inside the caller's lake transaction; other positions stay."""
    if not positions:
        return
    rows = ", ".join(
        f"({literal(source)}, {literal(name)}, {upto}::BIGINT, {literal(run_id)}, {timestamp_literal(moved_at)})"
        for (source, name), upto in sorted(positions.items())
    )
    con.execute(f"""
        MERGE INTO {POSITION.in_lake} t
        USING (SELECT * FROM (VALUES {rows}) AS v (source, object, raw_snapshot_id, run_id, moved_at)) s
        ON t.source = s.source AND t.object = s.object
        WHEN MATCHED THEN UPDATE SET
            raw_snapshot_id = s.raw_snapshot_id, run_id = s.run_id, moved_at = s.moved_at
        WHEN NOT MATCHED THEN INSERT BY NAME
    """)


def rewind_positions(con: duckdb.DuckDBPyConnection, positions: Positions, *, run_id: str, moved_at: datetime) -> None:
    """Replace all positions inside the caller's lake transaction; an object left out has no position afterwards."""
    con.execute(f"DELETE FROM {POSITION.in_lake}")
    move_positions(con, positions, run_id=run_id, moved_at=moved_at)


def adopt_former(objects: Iterable[ObjectName], run: Run) -> Callable[[duckdb.DuckDBPyConnection], None]:
    """Return the function that fills `ops.position` when it is created, from the former number if there is one."""

    def adopt(con: duckdb.DuckDBPyConnection) -> None:
        move_positions(con, _former(con, objects, RUN.in_lake), run_id=run.run_id, moved_at=run.now)

    return adopt


def needed_after(lake: LakeView, objects: Iterable[ObjectName]) -> int | None:
    """Return the oldest position of these objects: runs read what landed in later snapshots. None: none has one."""
    wanted = set(objects)
    found = positions_at(lake, wanted, version=lake.snapshot().id)
    return min((upto for name, upto in found.items() if name in wanted), default=None)


def _read(con: duckdb.DuckDBPyConnection, table: str) -> dict[ObjectName, int]:
    rows = con.execute(f"SELECT source, object, raw_snapshot_id FROM {table}").fetchall()
    return {(str(source), str(name)): int(upto) for source, name, upto in rows}


def _former(con: duckdb.DuckDBPyConnection, objects: Iterable[ObjectName], runs: str) -> dict[ObjectName, int]:
    columns = {str(name) for name, *_ in con.execute(f"DESCRIBE FROM {runs}").fetchall()}
    if _FORMER not in columns:
        return {}
    row = con.execute(
        f"SELECT max({_FORMER}) FROM {runs} WHERE status IN ('published', 'unchanged', 'partial')"
    ).fetchone()
    return dict.fromkeys(objects, int(row[0])) if row and row[0] is not None else {}
