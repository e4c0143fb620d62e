"""Describe what a run stages for a table: the run, the changes, and the statements that apply them to the lake."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from lakehouse.table import Table, column_list, quote, timestamp_literal


@dataclass(frozen=True)
class Run:
    """The run, and the one clock that all of its steps share. `now` is UTC and timezone-aware."""

    run_id: str
    kind: str
    now: datetime

    @property
    def now_sql(self) -> str:
        """Return the run's clock as an SQL literal."""
        return timestamp_literal(self.now)


@dataclass(frozen=True)
class Staged:
    """Rows of the target table that staging changed."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0

    @property
    def changed(self) -> int:
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True)
class DeltaNames:
    """The workspace tables that hold what a run staged for one table: new or changed rows, and deleted rows."""

    delta: str
    gone: str


def delta_names(table: Table) -> DeltaNames:
    """Return the names of the tables that hold the staged rows of `table`."""
    flat = quote(f"{table.schema}__{table.name}")
    return DeltaNames(delta=f"work.delta.{flat}", gone=f"work.gone.{flat}")


def keys_agree(table: Table, left: str, right: str) -> str:
    """Return the SQL condition: the rows of two aliases have the same key."""
    return " AND ".join(f"{left}.{quote(key)} = {right}.{quote(key)}" for key in table.key)


def write_sql(table: Table, staged: Staged) -> Iterable[str]:
    """Yield the statements that bring a lake table from the base snapshot to the staged state."""
    names = delta_names(table)
    target = table.in_lake
    keys = column_list(table.key)
    columns = column_list(table.column_names)
    if staged.deleted or staged.updated:
        replaced = f"SELECT {keys} FROM {names.gone} UNION ALL SELECT {keys} FROM {names.delta} WHERE change = 'update'"
        yield f"DELETE FROM {target} t USING ({replaced}) s WHERE {keys_agree(table, 't', 's')}"
    if staged.inserted or staged.updated:
        yield f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {names.delta}"
