"""Build SQL for the changes of a table between two snapshots.

DuckLake's table functions take constants only, so these functions return text for a FROM clause. `after` is exclusive
and `upto` inclusive, like a consumer's watermark: the next call starts where this one ended.

Two defects of DuckLake 1.0 (measured November 2026) shape the SQL. A rewrite of data files counts every moved row as
inserted and deleted, so rewrites are cut out. Deletions of a range that covers the insertion of a merged file are dated
by the insertion, so deletions are read one snapshot at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from lakehouse.errors import SnapshotNotFound, TableNotFound
from lakehouse.query import fetch_int
from lakehouse.table import DATABASE, Table, literal, qualified

_NO_ROWS = " WHERE false"


@dataclass(frozen=True)
class _Interval:
    """The snapshots (after, upto] of one table, without rewrites."""

    table: Table
    first: int
    upto: int
    rewritten: frozenset[int]
    deleted: frozenset[int]
    inserted: frozenset[int]


def insertions_sql(con: DuckDBPyConnection, table: Table, *, metadata: str, after: int, upto: int) -> str:
    """Return the SELECT of the table's columns for each row written in (after, upto], updated rows included.

    Raises: TableNotFound; SnapshotNotFound when part of the interval was expired or the table was replaced in it.
    """
    interval = _interval(con, table, metadata=metadata, after=after, upto=upto)
    # Without an insertion the functions need not be called: each lists the files of its range.
    ranges = _ranges(interval.first, upto, interval.rewritten) if interval.inserted else ()
    return _union((f"SELECT * FROM {_call('insertions', table, low, high)}" for low, high in ranges), table, upto)


def changes_sql(con: DuckDBPyConnection, table: Table, *, metadata: str, after: int, upto: int) -> str:
    """Return the SELECT of the change feed in (after, upto].

    Shape: snapshot_id, rowid, change_type (insert, update_preimage, update_postimage, delete), then the columns.
    Raises: as insertions_sql.
    """
    interval = _interval(con, table, metadata=metadata, after=after, upto=upto)
    arms = (arm for number in sorted(interval.inserted | interval.deleted) for arm in _arms(interval, number))
    empty = "NULL::BIGINT AS snapshot_id, NULL::BIGINT AS rowid, NULL::VARCHAR AS change_type, *"
    return _union(arms, table, upto, columns=empty)


def _arms(interval: _Interval, number: int) -> Iterator[str]:
    """Return the SELECT of one snapshot's insertions and deletions; a row in both was updated."""
    inserted = _call("insertions", interval.table, number, number)
    deleted = _call("deletions", interval.table, number, number)
    both = number in interval.inserted and number in interval.deleted
    for source, other, alone, paired in (
        (inserted, deleted, "insert", "update_postimage"),
        (deleted, inserted, "delete", "update_preimage"),
    ):
        if both:
            kind = f"CASE WHEN rowid IN (SELECT rowid FROM {other}) THEN '{paired}' ELSE '{alone}' END"
        else:
            kind = f"'{alone}'"
        if number in (interval.inserted if alone == "insert" else interval.deleted):
            yield f"SELECT {number}::BIGINT AS snapshot_id, rowid, {kind} AS change_type, * FROM {source}"


def _union(arms: Iterable[str], table: Table, upto: int, *, columns: str = "*") -> str:
    # By name: a column can have been added in the middle of the interval. The arm without rows comes first, gives
    # the columns their order, and is all there is when nothing changed.
    empty = f"SELECT {columns} FROM {qualified(table.schema, table.name)} AT (VERSION => {upto}){_NO_ROWS}"
    return " UNION ALL BY NAME ".join([empty, *arms])


def is_without_rows(sql: str) -> bool:
    """Return whether a SELECT of `insertions_sql` or `changes_sql` is known to have no rows: nothing was written."""
    return sql.endswith(_NO_ROWS)


def _call(kind: str, table: Table, low: int, high: int) -> str:
    place = f"{literal(DATABASE)}, {literal(table.schema)}, {literal(table.name)}"
    return f"ducklake_table_{kind}({place}, {low}, {high})"


def _ranges(first: int, last: int, without: frozenset[int]) -> Iterator[tuple[int, int]]:
    low = first
    for stop in [*sorted(without), last + 1]:
        if low < stop:
            yield low, stop - 1
        low = stop + 1


def _interval(con: DuckDBPyConnection, table: Table, *, metadata: str, after: int, upto: int) -> _Interval:
    then, table_id = (_table_id(con, metadata, table, version) for version in (after, upto))
    if table_id is None:
        raise TableNotFound(f"Reading the changes of {table.full_name}: there is no such table at snapshot {upto}")
    if then is not None and then != table_id:
        raise SnapshotNotFound(
            f"Reading the changes of {table.full_name} after snapshot {after}: the table was replaced since, by a "
            "restore or otherwise; read it whole"
        )
    snapshots = {
        int(number): changes
        for number, changes in con.execute(
            f"SELECT snapshot_id, changes FROM ducklake_snapshots({literal(DATABASE)})"
            f" WHERE snapshot_id > {int(after)} AND snapshot_id <= {int(upto)}"
        ).fetchall()
    }
    born = after + 1 if then is not None else _birth(con, metadata, table_id)
    missing = [number for number in range(born, upto + 1) if number not in snapshots]
    if missing:
        raise SnapshotNotFound(
            f"Reading the changes of {table.full_name} after snapshot {after}: {len(missing)} snapshots from "
            f"{missing[0]} on were expired; read the table whole"
        )

    def touched(kind: str) -> frozenset[int]:
        return frozenset(number for number, changes in snapshots.items() if str(table_id) in changes.get(kind, ()))

    return _Interval(
        table=table,
        first=born,
        upto=upto,
        rewritten=touched("rewrite_delete"),
        deleted=touched("tables_deleted_from"),
        inserted=touched("tables_inserted_into"),
    )


def _table_id(con: DuckDBPyConnection, metadata: str, table: Table, version: int) -> int | None:
    v = int(version)
    row = con.execute(
        f"SELECT t.table_id FROM {metadata}.ducklake_table t JOIN {metadata}.ducklake_schema s"
        f" ON s.schema_id = t.schema_id WHERE s.schema_name = {literal(table.schema)}"
        f" AND t.table_name = {literal(table.name)}"
        f" AND t.begin_snapshot <= {v} AND (t.end_snapshot IS NULL OR t.end_snapshot > {v})"
    ).fetchone()
    return int(row[0]) if row else None


def _birth(con: DuckDBPyConnection, metadata: str, table_id: int) -> int:
    return fetch_int(con, f"SELECT min(begin_snapshot) FROM {metadata}.ducklake_table WHERE table_id = {table_id}")
