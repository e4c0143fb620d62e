"""Erase rows from the lake's whole history, so that no byte of them stays in its files or its catalogue.

A DELETE only marks a row: the data file, older snapshots, and the catalogue's minimum and maximum per column still
hold it. Out of reach are files copied elsewhere, freed blocks of the file system, and PostgreSQL's write-ahead log and
its archives, which expire by the server's settings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from duckdb import DuckDBPyConnection

from lakehouse.attach import attach, detach
from lakehouse.deferred import deferred
from lakehouse.errors import LakeLocked
from lakehouse.lake import Lake
from lakehouse.lease import server_connection
from lakehouse.location import PostgresCatalogue
from lakehouse.maintain import GRACE, clean_up, expire, require_alone
from lakehouse.publish import copy_catalogue
from lakehouse.query import fetch_int
from lakehouse.table import DATABASE, Table, literal
from lakehouse.translate import translating

if TYPE_CHECKING:
    from psycopg import sql
else:
    sql = deferred("psycopg.sql")

_THE_END = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Selection:
    """Rows of one table to erase: `condition` is an SQL predicate over its columns."""

    table: Table
    condition: str


@dataclass(frozen=True)
class Erased:
    """The result of an erasure: rows of the newest snapshot; `files_waiting` are removed after the readers' grace."""

    rows: dict[str, int]
    snapshots_expired: int
    files_removed: int
    files_waiting: int


def erase(
    lake: Lake,
    selections: Iterable[Selection],
    *,
    author: str,
    run_id: str,
    grace: timedelta = GRACE,
) -> Erased:
    """Erase the selected rows from the newest snapshot and expire all older ones.

    Idempotent: a second call completes a killed erasure. With `grace` zero no reader may be connected.
    Raises: LakeLocked when the lake is not alone.
    """
    require_alone(lake, "erase rows of")
    chosen = list(selections)
    rows, _ = lake.transact(
        lambda con: {s.table.full_name: _delete(con, s) for s in chosen},
        author=author,
        run_id=run_id,
        message="erase rows",
    )
    with translating(f"Erasing rows of the lake at {lake.location.catalogue}"):
        # History first: a rewrite makes the statistics of older snapshots wrong.
        expired = expire(lake, older_than=_THE_END)
        for table in {s.table.full_name: s.table for s in chosen}.values():
            _rewrite(lake.con, table)
        expired += expire(lake, older_than=_THE_END)
        lake.renew_extremes()
        removed = clean_up(lake, grace=grace)
        rebuild_catalogue(lake)
    return Erased(rows, expired, removed, _waiting(lake))


def rebuild_catalogue(lake: Lake) -> None:
    """Rewrite the catalogue, so that no space of deleted entries remains in it."""
    if isinstance(lake.location.catalogue, Path):
        _rebuild_file(lake, lake.location.catalogue)
        lake.publish_catalogue()
    else:
        detach(lake.con)
        try:
            _rebuild_server(lake.location.catalogue)
        finally:
            # Always attached again: DuckLake caches column statistics, and would write the old ones back.
            attach(lake.con, lake.location)


def _delete(con: DuckDBPyConnection, selection: Selection) -> int:
    return fetch_int(con, f"DELETE FROM {selection.table.in_lake} WHERE {selection.condition}")


def _rewrite(con: DuckDBPyConnection, table: Table) -> None:
    con.execute(
        f"CALL ducklake_rewrite_data_files({literal(DATABASE)}, {literal(table.name)},"
        f" schema => {literal(table.schema)}, delete_threshold => 0)"
    )


def _waiting(lake: Lake) -> int:
    return fetch_int(lake.con, f"SELECT count(*) FROM {lake.metadata}.ducklake_files_scheduled_for_deletion")


def _rebuild_file(lake: Lake, catalogue: Path) -> None:
    draft = catalogue.with_name(catalogue.name + ".rebuilt")
    draft.unlink(missing_ok=True)
    copy_catalogue(lake.con, draft, metadata=lake.metadata)
    detach(lake.con)
    try:
        if catalogue.with_name(catalogue.name + ".wal").exists():
            # A log replayed onto the new file would corrupt it. A cursor in a transaction keeps the old file open.
            raise LakeLocked(f"Rebuilding the catalogue {catalogue}: a cursor still reads it; close it and run again")
        draft.replace(catalogue)
    finally:
        attach(lake.con, lake.location)


def _rebuild_server(catalogue: PostgresCatalogue) -> None:
    with server_connection(catalogue, purpose="erasure") as con:
        names = con.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (catalogue.schema,)).fetchall()
        for (name,) in names:
            con.execute(sql.SQL("VACUUM FULL {}").format(sql.Identifier(catalogue.schema, str(name))))
        con.execute("CHECKPOINT")
