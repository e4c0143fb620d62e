"""The lake, opened for writing: one transaction API, snapshots, tables, restore.

On a local catalogue an open `Lake` is the only writer: it holds the file lock until it is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import duckdb
from duckdb import DuckDBPyConnection

from lakehouse import feed, rewind
from lakehouse.attach import DATABASE, attach, metadata_of, refuse_foreign_file
from lakehouse.connect import connect
from lakehouse.ddl import missing_ddl
from lakehouse.location import LakeLocation
from lakehouse.lock import WriterLock
from lakehouse.publish import is_published, publish_catalogue
from lakehouse.snapshot import History, Snapshot
from lakehouse.table import Table
from lakehouse.transaction import commit
from lakehouse.translate import translating

T = TypeVar("T")


class Lake:
    """A lake opened for writing. Use `Lake.open` in a `with` statement."""

    def __init__(self, location: LakeLocation, con: DuckDBPyConnection, closing: ExitStack) -> None:
        self.location = location
        self.con = con
        self.metadata = metadata_of(location)
        self._closing = closing
        self._history = History(con, database=DATABASE, metadata=self.metadata)

    @classmethod
    def open(
        cls,
        location: LakeLocation,
        *,
        purpose: str,
        wait_seconds: float = 0.0,
        memory_limit: str | None = None,
        threads: int | None = None,
        temp_directory: Path | None = None,
    ) -> Self:
        """Open the lake as `lake`, creating it when it is missing.

        Raises: LakeLocked, LakeUnreachable, LakeUnwritable, LakeIncompatible.
        """
        with ExitStack() as closing, translating(f"Opening the lake at {location.catalogue}"):
            if isinstance(location.catalogue, Path):
                lock = WriterLock(location.catalogue)
                lock.acquire(purpose, wait_seconds=wait_seconds)
                closing.callback(lock.release)
            con = connect(
                extensions=location.extensions,
                memory_limit=memory_limit,
                threads=threads,
                temp_directory=temp_directory,
            )
            closing.callback(con.close)
            if isinstance(location.data, Path):
                location.data.mkdir(parents=True, exist_ok=True)
            if isinstance(location.catalogue, Path):
                refuse_foreign_file(con, location.catalogue)
            attach(con, location)
            # DETACH checkpoints the catalogue; the file is only free for others after that.
            closing.callback(_detach, con)
            lake = cls(location, con, closing.pop_all())
        try:
            lake._make_sound()
        except BaseException:
            lake.close()
            raise
        return lake

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Detach and let the next writer in."""
        self._closing.close()

    def cursor(self) -> DuckDBPyConnection:
        """A second connection to the same DuckDB instance, for reading beside a transaction."""
        return self.con.cursor()

    def ensure(self, tables: Iterable[Table]) -> None:
        """Create what is missing of these tables, in one transaction; nothing is committed when nothing is."""
        statements = missing_ddl(self.con, tables, database=DATABASE)
        if not statements:
            return

        def create(con: DuckDBPyConnection) -> None:
            # Two processes may both have found the tables missing: look again inside the transaction.
            for statement in missing_ddl(con, tables, database=DATABASE):
                con.execute(statement)

        self.transact(create, author="lakehouse", run_id="", message="create tables")

    def transact(
        self,
        work: Callable[[DuckDBPyConnection], T],
        *,
        author: str,
        run_id: str,
        message: str,
        attempts: int = 12,
    ) -> tuple[T, Snapshot]:
        """Run `work` in one lake transaction; repeat it whole when a concurrent commit won.

        `work` gets the connection the transaction is open on, and must be repeatable. Any exception rolls back.
        Raises: LakeConflict when all attempts lost, LakeUnwritable, LakeUnreachable; and whatever `work` raises.
        """
        with translating(f"Committing to the lake at {self.location.catalogue} ({message})"):
            result = commit(
                self.con,
                work,
                metadata=self.metadata,
                author=author,
                run_id=run_id,
                message=message,
                attempts=attempts,
            )
        self.publish_catalogue()
        return result, self.snapshot()

    def snapshot(self) -> Snapshot:
        """The newest snapshot."""
        return self._history.current()

    def snapshots(self) -> list[Snapshot]:
        """Every snapshot that was not expired, oldest first."""
        return self._history.all()

    def snapshot_at(self, moment: datetime | int) -> Snapshot:
        """The snapshot with this number, or the last one at or before this time. Raises: SnapshotNotFound."""
        return self._history.at(moment)

    def tables(self, version: int | None = None) -> list[str]:
        """Full names (`schema.table`) of the tables at a snapshot, by default the newest."""
        return rewind.table_names(self.con, self.metadata, version=version)

    def insertions(self, table: Table, *, after: int, upto: int) -> str:
        """SELECT text of the rows written to `table` in snapshots (after, upto]."""
        return feed.insertions_sql(table, after=after, upto=upto)

    def changes(self, table: Table, *, after: int, upto: int) -> str:
        """SELECT text of the change feed of `table` in snapshots (after, upto]."""
        return feed.changes_sql(table, after=after, upto=upto)

    def restore_table(self, name: str, to: datetime | int, *, author: str, run_id: str) -> Snapshot:
        """Make one table (`schema.table`) what it was at a snapshot, as a new commit.

        Raises: SnapshotNotFound, TableNotFound.
        """
        target = self.snapshot_at(to)
        plan = rewind.plan(self.con, self.metadata, to=target.id, chosen=lambda table: table == name)
        rewind.require(plan, name, target)
        return self._restore(plan, f"restore {name} to snapshot {target.id}", author, run_id)

    def restore(
        self, to: datetime | int, *, author: str, run_id: str, keep_schemas: Iterable[str] = ("raw",)
    ) -> Snapshot:
        """Make the whole lake what it was at a snapshot, but for the schemas to keep, as one new commit.

        Raises: SnapshotNotFound.
        """
        target = self.snapshot_at(to)
        kept = set(keep_schemas)
        plan = rewind.plan(
            self.con, self.metadata, to=target.id, chosen=lambda table: table.partition(".")[0] not in kept
        )
        return self._restore(plan, f"restore to snapshot {target.id}", author, run_id)

    def publish_catalogue(self) -> None:
        """Renew the readers' copy. Readers of a PostgreSQL catalogue need none."""
        if isinstance(self.location.catalogue, Path):
            target = self.location.published_catalogue
            with translating(f"Publishing the catalogue to {target}"):
                publish_catalogue(self.con, target, metadata=self.metadata)

    def _restore(self, plan: rewind.Plan, message: str, author: str, run_id: str) -> Snapshot:
        return self.transact(plan.apply, author=author, run_id=run_id, message=message)[1]

    def _make_sound(self) -> None:
        """Finish what a killed process may have left: inlining still on, a readers' copy behind the catalogue."""
        row = self.con.execute(
            f"SELECT count(*) FROM {self.metadata}.ducklake_metadata"
            " WHERE key = 'data_inlining_row_limit' AND value = '0' AND scope IS NULL"
        ).fetchone()
        if not row or not row[0]:
            # Inlined rows were measured to corrupt time travel and to lose deletes in DuckLake 1.0.
            self.con.execute(f"CALL {DATABASE}.set_option('data_inlining_row_limit', 0)")
        if isinstance(self.location.catalogue, Path) and not is_published(
            self.con, self.location.published_catalogue, metadata=self.metadata
        ):
            self.publish_catalogue()


def _detach(con: DuckDBPyConnection) -> None:
    # A cursor that is still open, or a database that is gone, must not keep the lock from being released.
    with suppress(duckdb.Error):
        con.execute(f"USE memory; DETACH {DATABASE}")
