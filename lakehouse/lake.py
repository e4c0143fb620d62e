"""The lake, opened for writing: one transaction API, snapshots, tables, restore.

On a local catalogue an open `Lake` is the only writer: it holds the file lock until it is closed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from duckdb import DuckDBPyConnection

from lakehouse import rewind
from lakehouse.attach import allow_data, attach, detach, refuse_foreign_file
from lakehouse.connect import connect, spread_small_tables
from lakehouse.damage import (
    damage_behind,
    damage_behind_closed,
    damaged_catalogue,
    is_nowhere,
    naming_damaged_catalogue,
    no_lake,
    refuse_data_without_catalogue,
    refuse_lost_catalogue,
)
from lakehouse.ddl import bring_to_declarations
from lakehouse.errors import LakeError
from lakehouse.extremes import renew_extremes
from lakehouse.lease import creating, writing
from lakehouse.location import LakeLocation
from lakehouse.publish import catalogue_state, copied_state, publish_catalogue
from lakehouse.snapshot import Snapshot
from lakehouse.table import DATABASE, Table, create_table_sql
from lakehouse.transaction import commit
from lakehouse.translate import translating
from lakehouse.view import LakeView

T = TypeVar("T")


class Lake(LakeView):
    """A lake opened for writing. Use `Lake.open` in a `with` statement.

    `is_alone`: no other process can write meanwhile, as always on a local catalogue. `was_behind`: the readers' copy
    was older than the catalogue when the lake was opened, because a process was killed in between.
    """

    def __init__(self, location: LakeLocation, con: DuckDBPyConnection, *, is_alone: bool) -> None:
        super().__init__(con, location)
        self.is_alone = is_alone
        self.was_behind = False
        self._closing = ExitStack()

    @classmethod
    def open(
        cls,
        location: LakeLocation,
        *,
        purpose: str,
        alone: bool = False,
        create: bool = True,
        wait_seconds: float = 0.0,
        memory_limit: str | None = None,
        threads: int | None = None,
        temp_directory: Path | None = None,
    ) -> Self:
        """Open the lake as `lake`; `create` a missing one; maintenance and erasure need `alone`.

        Raises: LakeLocked, LakeUnreachable, LakeUnwritable, LakeDamaged, LakeIncompatible.
        """
        doing = f"Opening the lake at {location.catalogue}"
        if not create and is_nowhere(location):
            # Before anything is written, the lock file too.
            raise no_lake(location, purpose)
        with translating(doing), naming_damaged_catalogue(location), ExitStack() as closing:
            closing.enter_context(writing(location, purpose=purpose, alone=alone, wait_seconds=wait_seconds))
            con = connect(
                extensions=location.extensions,
                memory_limit=memory_limit,
                threads=threads,
                temp_directory=temp_directory,
            )
            closing.callback(con.close)
            spread_small_tables(con)
            if isinstance(location.data, Path):
                location.data.mkdir(parents=True, exist_ok=True)
            if isinstance(location.catalogue, Path):
                refuse_lost_catalogue(location)
                refuse_foreign_file(con, location.catalogue)
            with creating(location, purpose=purpose) as is_new:
                if is_new:
                    refuse_data_without_catalogue(con, location)
                    if not create:
                        raise no_lake(location, purpose)
                attach(con, location)
                # DETACH checkpoints the catalogue; only after that can others open the file.
                closing.callback(detach, con)
                lake = cls(location, con, is_alone=alone or isinstance(location.catalogue, Path))
                lake._make_sound()
            lake._closing = closing.pop_all()
        return lake

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        damaged = damage_behind(error, self.con, self.location) if error is not None else None
        self.close()
        if error is not None:
            damaged = damaged or damage_behind_closed(error, self.location)
        if damaged is not None:
            raise damaged from error

    def close(self) -> None:
        """Detach and release the lock."""
        self._closing.close()

    def ensure(
        self, tables: Iterable[Table], *, first_rows: Mapping[Table, Callable[[DuckDBPyConnection], None]] | None = None
    ) -> None:
        """Create what is missing of these tables in one transaction; commit nothing when nothing is missing.

        `first_rows` fills a table only in the transaction that creates it.
        Raises: LakeIncompatible when a declared type is not wider than the existing one.
        """
        wanted = list(tables)
        if not self.missing(wanted):
            return

        def create(con: DuckDBPyConnection) -> None:
            # Two processes can both have found the tables missing: check again inside the transaction.
            done = bring_to_declarations(con, wanted, database=DATABASE)
            for table, fill in (first_rows or {}).items():
                if create_table_sql(table, database=DATABASE) in done:
                    fill(con)

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
        self.renew_access()
        with translating(f"Committing to the lake at {self.location.catalogue} ({message})"):
            result = commit(
                self.con,
                work,
                location=self.location,
                author=author,
                run_id=run_id,
                message=message,
                attempts=attempts,
            )
        self._share_folders()
        snapshot = self.snapshot()
        try:
            self.publish_catalogue()
        except LakeError as error:
            raise type(error)(
                f"Snapshot {snapshot.id} ({message}) is committed, but readers do not see it yet: {error}"
            ) from error
        return result, snapshot

    def restore_table(
        self,
        name: str,
        to: datetime | int,
        *,
        author: str,
        run_id: str,
        also: Callable[[DuckDBPyConnection], None] | None = None,
    ) -> Snapshot:
        """Restore one table (`schema.table`) to a snapshot, as a new commit; `also` as in `restore`.

        Raises: SnapshotNotFound, TableNotFound.
        """
        target = self.snapshot_at(to)
        plan = rewind.plan(self.con, self.metadata, to=target.id, chosen=lambda table: table == name)
        rewind.require(plan, name, target)
        return self._restore(plan, f"restore {name} to snapshot {target.id}", author, run_id, also)

    def restore(
        self,
        to: datetime | int,
        *,
        author: str,
        run_id: str,
        keep_schemas: Iterable[str] = ("raw",),
        keep_tables: Iterable[str] = (),
        also: Callable[[DuckDBPyConnection], None] | None = None,
    ) -> Snapshot:
        """Restore the lake to a snapshot, except schemas and tables to keep, as one new commit.

        `also` runs in the same transaction, after the tables are restored.
        Raises: SnapshotNotFound.
        """
        target = self.snapshot_at(to)
        kept = {*keep_schemas, *keep_tables}
        plan = rewind.plan(
            self.con,
            self.metadata,
            to=target.id,
            chosen=lambda table: table not in kept and table.partition(".")[0] not in kept,
        )
        return self._restore(plan, f"restore to snapshot {target.id}", author, run_id, also)

    def publish_catalogue(self) -> None:
        """Replace the readers' copy. A PostgreSQL catalogue has none."""
        if isinstance(self.location.catalogue, Path):
            target = self.location.published_catalogue
            with translating(f"Publishing the catalogue to {target}"):
                publish_catalogue(self.con, target, metadata=self.metadata)

    def renew_access(self) -> None:
        """Give the connection the keys of the bucket that are valid now: those of a role expire while a run goes on."""
        allow_data(self.con, self.location)

    def renew_extremes(self) -> None:
        """Correct the catalogue's column statistics for every snapshot; call it after rewriting files."""
        renew_extremes(self.con, self.metadata)
        # DuckLake caches the statistics of an attached lake, and would use the old ones.
        detach(self.con)
        attach(self.con, self.location)

    def _restore(
        self,
        plan: rewind.Plan,
        message: str,
        author: str,
        run_id: str,
        also: Callable[[DuckDBPyConnection], None] | None,
    ) -> Snapshot:
        def work(con: DuckDBPyConnection) -> None:
            plan.apply(con)
            if also is not None:
                also(con)

        return self.transact(work, author=author, run_id=run_id, message=message)[1]

    def _share_folders(self) -> None:
        """Let the group write where it can read: DuckDB creates folders writable by the owner only."""
        if not self.location.is_shared or not isinstance(self.location.data, Path):
            return
        for folder, _, _ in os.walk(self.location.data):
            about = Path(folder).stat()
            if about.st_uid == os.geteuid() and not about.st_mode & stat.S_IWGRP:
                Path(folder).chmod(stat.S_IMODE(about.st_mode) | stat.S_IWGRP)

    def _make_sound(self) -> None:
        """Repair the state that a killed process can leave.

        Inlining still on, statistics made wrong by a rewrite of files, a readers' copy behind the catalogue, folders
        that the group of a shared lake cannot write in.
        """
        self._share_folders()
        row = self.con.execute(
            f"SELECT count(*) FROM {self.metadata}.ducklake_metadata"
            " WHERE key = 'data_inlining_row_limit' AND value = '0' AND scope IS NULL"
        ).fetchone()
        if not row or not row[0]:
            # Inlined rows corrupt time travel and lose deletes in DuckLake 1.0 (measured).
            self.con.execute(f"CALL {DATABASE}.set_option('data_inlining_row_limit', 0)")
        row = self.con.execute(
            f"SELECT changes_made FROM {self.metadata}.ducklake_snapshot_changes ORDER BY snapshot_id DESC LIMIT 1"
        ).fetchone()
        if row and str(row[0]).startswith(("rewrite_delete", "merge_adjacent")):
            self.renew_extremes()
        if isinstance(self.location.catalogue, Path):
            copied = copied_state(self.con, self.location.published_catalogue)
            if copied is not None and copied.snapshot > self._history.current_id():
                fault = f"it is at snapshot {self._history.current_id()}, older than what readers see"
                raise damaged_catalogue(self.location, fault)
            if copied != catalogue_state(self.con, self.metadata):
                self.was_behind = True
                self.publish_catalogue()
