"""Restore the lake to an earlier snapshot, as a new commit; what was received, decided and done stays.

Tables that survive a restore (`Table.survives_restore`; dataflow/tables/ops has the reasons) are not changed, nor is
raw; the history of customers goes on (restored_history.py). The positions become those of the target, so the next run
validates again what landed after them: it publishes what it would publish if the runs after the target had never
happened. Where snapshots in between were expired, it reads all of raw instead. A restore is one lake transaction:
killed at any point, it is done or not done.

A single table: a valid table is restored with the position, the fingerprint and the dead letters of its object, so the
next run validates again what landed after them; a conformed table is computed again by the next run; of any other table
the next run computes only the rows that it touches.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from dataflow.access.log.anchors import heads_to_anchor, write_anchors
from dataflow.errors import UsageError
from dataflow.govern.restored_dead_letters import lay_out_dead_letters, write_dead_letters
from dataflow.govern.restored_history import continue_history, note_entries, write_entries
from dataflow.run.folders import name_run
from dataflow.settings import Settings
from dataflow.tables.declared import declared_objects, declared_tables
from dataflow.tables.ops import DEAD_LETTERS, FINGERPRINT, POSITION
from dataflow.tables.published import CUSTOMER_360, CUSTOMER_HISTORY, SEGMENTS
from dataflow.validate.dead_letter_events import write_missing_events
from dataflow.workspace.fingerprints import adopt_former_fingerprints
from dataflow.workspace.position import ObjectName, Positions, positions_at, rewind_positions
from dataflow.workspace.run_row import RunRow, write_run
from lakehouse import Lake, LakeView, Snapshot
from lakehouse.ddl import bring_to_declarations
from lakehouse.maintain import require_alone
from lakehouse.table import DATABASE, literal

_RESTORABLE = ("valid", "conformed", "resolved", "enriched", "published")
"""Schemas of tables that can be restored one by one; raw and ops record what was received, decided and done."""


@dataclass(frozen=True, kw_only=True)
class Restored:
    """The outcome of a restore. `snapshot` is its own commit.

    `objects_behind` counts the objects that the next run reads again from raw; `decisions_kept` the decisions on dead
    letters that were made after the target.
    """

    run_id: str
    target: Snapshot
    snapshot: Snapshot
    objects_behind: int
    decisions_kept: int


def restore(
    lake: Lake, settings: Settings, to: datetime | int, *, table: str | None = None, lost: Collection[str] = ()
) -> Restored:
    """Restore the lake, or one table by its full name, to a snapshot.

    `lost` are the tables whose present rows cannot be read, because data files of theirs are lost.
    Raises: SnapshotNotFound, TableNotFound; UsageError for a table that is not restored by itself; LakeLocked where
    the lake is not open alone.
    """
    if table is not None:
        require_restorable(settings, table)
    require_alone(lake, "restore")
    target, started_at = lake.snapshot_at(to), datetime.now(UTC)
    run_id = name_run("restore", started_at)
    found = None if table is None else _object_of(settings, table)
    before = positions_at(lake, declared_objects(settings), version=lake.snapshot().id)
    positions = positions_at(lake, declared_objects(settings), version=target.id)
    if table is not None:
        positions = _with_object_of(positions, found, before)
    selected = "true" if table is None else _dead_letters_of(found)
    laid_over = lay_out_dead_letters(lake, version=target.id, of=selected)
    positions = {name: upto for name, upto in positions.items() if name not in laid_over.contradicted}
    fingerprint = None if table is None else _fingerprint_at(lake, table, version=target.id)
    note_entries(lake, lost=lost)
    heads = heads_to_anchor(lake.con, settings)

    def write(con: DuckDBPyConnection) -> None:
        # The target can be older than some declarations.
        bring_to_declarations(con, declared_tables(settings).values(), database=DATABASE)
        adopt_former_fingerprints(con)
        write_dead_letters(con, of=selected)
        write_missing_events(con, run_id=run_id, at=started_at)
        rewind_positions(con, positions, run_id=run_id, moved_at=started_at)
        if table is not None:
            _write_fingerprint(con, table, fingerprint, run_id)
        if table in (None, CUSTOMER_360.full_name):
            continue_history(con, run_id=run_id, at=started_at)
        if table in (None, SEGMENTS.full_name):
            write_entries(con, run_id=run_id)
        write_run(con, _row_of(run_id, target, table, started_at=started_at))
        write_anchors(con, heads, run_id=run_id, at=started_at)

    if table is None:
        made = lake.restore(target.id, author="dataflow", run_id=run_id, keep_tables=kept_tables(settings), also=write)
    else:
        made = lake.restore_table(table, target.id, author="dataflow", run_id=run_id, also=write)
    return Restored(
        run_id=run_id,
        target=target,
        snapshot=made,
        objects_behind=_count_behind(positions, before),
        decisions_kept=laid_over.decisions,
    )


def _with_object_of(positions: Positions, name: ObjectName | None, before: Positions) -> dict[ObjectName, int]:
    """Return the positions `before` with that of one object from `positions`, without it where that has none."""
    return {one: upto for one, upto in before.items() if one != name} | {
        one: upto for one, upto in positions.items() if one == name
    }


def require_restorable(settings: Settings, table: str) -> None:
    """Refuse a table that is not restored by itself. Raises: UsageError."""
    schema = table.partition(".")[0]
    if schema not in _RESTORABLE:
        raise UsageError(
            f"Restoring {table}: only tables of {', '.join(_RESTORABLE)} are restored one by one; raw and ops record "
            "what was received, decided and done.",
            next_move="Name one of these, or restore the whole lake without --table.",
        )
    if table == CUSTOMER_HISTORY.full_name:
        raise UsageError(
            f"Restoring {table}: it says what readers were shown, which a restore does not change.",
            next_move=f"Restore {CUSTOMER_360.full_name} or the whole lake: the history goes on from there.",
        )
    if schema == "valid" and _object_of(settings, table) is None:
        objects = ", ".join(f"valid.{source}_{name}" for source, name in declared_objects(settings))
        raise UsageError(
            f"Restoring {table}: no declared object has this table, so no run would bring it up to date again.",
            next_move=f"Name one of {objects}, or declare its object.",
        )


def kept_tables(settings: Settings) -> list[str]:
    """Name the tables that the lake's restore leaves out: those that survive, and those written row by row."""
    survivors = [table.full_name for table in declared_tables(settings).values() if table.survives_restore]
    return [*survivors, DEAD_LETTERS.full_name, POSITION.full_name]


def _object_of(settings: Settings, table: str) -> ObjectName | None:
    """Return the object whose valid table this is, None for other tables."""
    return next((name for name in declared_objects(settings) if f"valid.{name[0]}_{name[1]}" == table), None)


def _dead_letters_of(name: ObjectName | None) -> str:
    return "false" if name is None else f"_source = {literal(name[0])} AND _object = {literal(name[1])}"


def _fingerprint_at(lake: LakeView, table: str, *, version: int) -> str | None:
    """Return the fingerprint of a valid table at a snapshot; None makes the next run compute the table again."""
    if not table.startswith("valid.") or FINGERPRINT.full_name not in lake.tables(version):
        return None
    row = lake.con.execute(
        f"SELECT fingerprint FROM {FINGERPRINT.in_lake} AT (VERSION => {version}) WHERE table_name = {literal(table)}"
    ).fetchone()
    return str(row[0]) if row else None


def _write_fingerprint(con: DuckDBPyConnection, table: str, fingerprint: str | None, run_id: str) -> None:
    con.execute(f"DELETE FROM {FINGERPRINT.in_lake} WHERE table_name = {literal(table)}")
    if fingerprint is not None:
        con.execute(
            f"INSERT INTO {FINGERPRINT.in_lake} (table_name, fingerprint, _run_id)"
            f" VALUES ({literal(table)}, {literal(fingerprint)}, {literal(run_id)})"
        )


def _row_of(run_id: str, target: Snapshot, table: str | None, *, started_at: datetime) -> RunRow:
    """Return the run row of the restore."""
    to = f"snapshot {target.id} of {target.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC ({target.message})"
    return RunRow(
        run_id=run_id,
        kind="restore",
        status="restored",
        message=f"{table or 'the lake'} restored to {to}",
        started_at=started_at,
        finished_at=datetime.now(UTC),
    )


def _count_behind(positions: Positions, before: Positions) -> int:
    return sum(positions.get(name, 0) < upto for name, upto in before.items())
