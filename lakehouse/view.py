"""Read an attached lake, as its writer or any reader: snapshots, tables, changes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from duckdb import DuckDBPyConnection

from lakehouse import feed, rewind
from lakehouse.attach import metadata_of
from lakehouse.connect import spread_small_tables
from lakehouse.ddl import missing_ddl, retyped_columns
from lakehouse.location import LakeLocation
from lakehouse.query import fetch_int
from lakehouse.snapshot import History, Snapshot
from lakehouse.table import DATABASE, Table


class LakeView:
    """A lake attached to a connection as `lake`; what `open_reader` returns can be wrapped in it."""

    def __init__(self, con: DuckDBPyConnection, location: LakeLocation) -> None:
        self.con = con
        self.location = location
        self.metadata = metadata_of(location)
        self._history = History(con, database=DATABASE, metadata=self.metadata)

    def cursor(self) -> DuckDBPyConnection:
        """Return a second connection to the same DuckDB instance, for reading beside a transaction."""
        cursor = self.con.cursor()
        spread_small_tables(cursor)
        return cursor

    def missing(self, tables: Iterable[Table]) -> list[str]:
        """Return the statements that would bring the lake to these declarations; empty when nothing is missing."""
        return missing_ddl(self.con, tables, database=DATABASE)

    def retyped(self, tables: Iterable[Table]) -> dict[str, dict[str, tuple[str, str]]]:
        """Return the columns of `made_anew` tables whose type changes: table to column to (present, declared type)."""
        return retyped_columns(self.con, tables, database=DATABASE)

    def lake_id(self) -> str:
        """Return the UUID that the lake got when it was made; it stays through restores and maintenance."""
        return self._history.lake_id()

    def last_change_in(self, schema: str, *, upto: int | None = None) -> int | None:
        """Return the newest snapshot up to a number that changed rows of a schema; None where none is kept."""
        return self._history.last_change_in(schema, upto=upto)

    def snapshot(self) -> Snapshot:
        """Return the newest snapshot."""
        return self._history.current()

    def newest_number(self) -> int:
        """Return the number of the newest snapshot of the lake, also where this connection shows an older one."""
        return self._history.newest_number()

    def snapshots(self, *, after: int = -1) -> list[Snapshot]:
        """Return the snapshots that are not expired, oldest first; only those with a number greater than `after`."""
        return self._history.all(after=after)

    def snapshot_at(self, version: datetime | int) -> Snapshot:
        """Return the snapshot with this number, or the last one at or before this time. Raises: SnapshotNotFound."""
        return self._history.at(version)

    def rows_kept(self) -> int:
        """Return the number of rows of all tables as the catalogue counts them, those that were deleted included."""
        return fetch_int(self.con, f"SELECT coalesce(sum(record_count), 0) FROM {self.metadata}.ducklake_table_stats")

    def tables(self, version: int | None = None) -> list[str]:
        """Return the full names (`schema.table`) of the tables at a snapshot, by default the newest."""
        return rewind.table_names(self.con, self.metadata, version=version)

    def filled_tables(self, version: int) -> set[str]:
        """Return the full names of tables not known to be empty at a snapshot: reading an empty one costs time too."""
        return rewind.filled_table_names(self.con, self.metadata, version=version)

    def insertions(self, table: Table, *, after: int, upto: int) -> str:
        """Return the SELECT of the rows written to `table` in snapshots (after, upto], updated rows included.

        Raises: TableNotFound; SnapshotNotFound when the interval is incomplete: read the whole table instead.
        """
        return feed.insertions_sql(self.con, table, metadata=self.metadata, after=after, upto=upto)

    def changes(self, table: Table, *, after: int, upto: int) -> str:
        """Return the SELECT of the change feed of `table` in snapshots (after, upto]. Raises: as `insertions`.

        Shape: snapshot_id, rowid, change_type (insert, update_preimage, update_postimage, delete), then the columns.
        """
        return feed.changes_sql(self.con, table, metadata=self.metadata, after=after, upto=upto)
