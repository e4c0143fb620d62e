"""Continue without lost data files: restore each table to the last snapshot that needs none of them.

Tables of what was received, decided and done are restored one by one, since no run computes them again: rows of raw
that the sources still have are found by `dataflow check`. All other tables are restored together and computed again
from raw by the next run. Killed in between, the same command does the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from dataflow.govern.restore import kept_tables, restore
from dataflow.govern.restored_history import continue_history
from dataflow.run.folders import name_run
from dataflow.settings import Settings
from dataflow.tables.declared import declared_tables
from dataflow.tables.ops import DEAD_LETTERS
from dataflow.tables.published import CUSTOMER_HISTORY
from lakehouse import Lake, SnapshotNotFound
from lakehouse.ddl import bring_to_declarations
from lakehouse.inventory import LostFile, lost_files
from lakehouse.table import DATABASE

_RAW = "raw."


@dataclass(frozen=True, kw_only=True)
class WithoutLost:
    """The plan: `tables` maps tables restored one by one to a snapshot, `derived` is that of all that runs compute.

    `lost_files` counts the lost files that the newest snapshot needs, `damaged` names the tables that they are of.
    """

    tables: Mapping[str, int]
    derived: int | None
    lost_files: int = 0
    damaged: tuple[str, ...] = ()


def plan_without_lost(lake: Lake, settings: Settings) -> WithoutLost:
    """Find the snapshots to restore; every file is read, to find those of damaged content too.

    Raises: SnapshotNotFound where every remaining snapshot needs lost files.
    """
    lost, _ = lost_files(lake.con, lake.location, only_newest=False, read=True)
    damaged = {file.table for file in lost if file.until is None}
    versions = [snapshot.id for snapshot in reversed(lake.snapshots())]
    kept = {*kept_tables(settings), *(table for table in damaged if table.startswith(_RAW))}
    # Rows that lost their dead letter are validated again, so the derived tables are restored with them.
    made = {file.table for file in lost} - kept | {DEAD_LETTERS.full_name}
    return WithoutLost(
        tables={name: _last_without(versions, lost, {name}) for name in sorted(damaged & kept)},
        derived=_last_without(versions, lost, made) if damaged & made else None,
        lost_files=sum(file.until is None for file in lost),
        damaged=tuple(sorted(damaged)),
    )


def go_on_without_lost(lake: Lake, settings: Settings, plan: WithoutLost) -> None:
    """Carry out the plan: one commit per table, and one for all that runs compute."""
    now = datetime.now(UTC)
    run_id = name_run("restore", now)

    def history(con: DuckDBPyConnection) -> None:
        # Restored to an earlier snapshot it lacks states, and perhaps columns: its open states become those shown now.
        bring_to_declarations(con, declared_tables(settings).values(), database=DATABASE)
        continue_history(con, run_id=run_id, at=now)

    for name, version in plan.tables.items():
        # Where the derived tables are restored as well, that restore does it.
        also = history if name == CUSTOMER_HISTORY.full_name and plan.derived is None else None
        lake.restore_table(name, version, author="dataflow", run_id=run_id, also=also)
    if plan.derived is not None:
        restore(lake, settings, plan.derived, lost=plan.damaged)


def _last_without(versions: Sequence[int], lost: Iterable[LostFile], tables: set[str]) -> int:
    needed = [file for file in lost if file.table in tables]
    for version in versions:
        if not any(file.is_needed_at(version) for file in needed):
            return version
    raise SnapshotNotFound(
        f"Looking for a snapshot that needs none of the lost files of {', '.join(sorted(tables))}: no snapshot is "
        "left; put the files back from a backup"
    )
