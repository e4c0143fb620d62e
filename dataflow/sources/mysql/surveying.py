"""Measure a range of a table without reading its rows: the server counts and sums, and sends one row."""

from __future__ import annotations

from collections import Counter

import duckdb
import pyarrow as pa

from dataflow.sources.ahead import bound_of_belief
from dataflow.sources.deletion import END_OF_TIME, FIRST_DAY, FIRST_SECONDS, real_zero_dates
from dataflow.sources.key_versions import mysql_version
from dataflow.sources.mysql.columns import Column
from dataflow.sources.mysql.connection import Session, literal, quote
from dataflow.sources.mysql.questions import Table, between, key_condition, local_bounds, rows_sql
from dataflow.sources.mysql.reading import read_rows
from dataflow.sources.mysql.replica import read_clock
from dataflow.sources.protocol import BEGINNING, Ahead, PlannedWindow, Window, WindowMeasure
from dataflow.sources.versions import key_fingerprint_sql
from lakehouse.connect import connect
from lakehouse.table import timestamp_literal

_NO_MD5 = (1305, 1370)
"""The error of MySQL 9.6 and later for MD5, which is an optional component there."""


def survey(session: Session, table: Table, planned: PlannedWindow, *, doing: str) -> WindowMeasure:
    """Count and fingerprint (record key, version) of the rows of a window that are not marked as deleted.

    Raises: pymysql.MySQLError, OSError, SourceError.
    """
    not_deleted = _not_deleted(table)
    if not_deleted is None or not _is_plain(table):
        return _by_reading(session, table, planned)
    within = (
        key_condition(table.cursor, planned.window.keys)
        if table.follows_key
        else between(table.cursor, planned.window, zone=table.zone)
    )
    keys = [key_condition(table.range_key, planned.keys)] if planned.keys and table.range_key else []
    text = f"CONCAT({_key_text(table)}, '|', {_version(table)})"
    number = f"CAST(CONV(LEFT(MD5({text}), 15), 16, 10) AS DECIMAL(20))"
    found = session.attempt(
        f"SELECT COUNT(*) AS rows_found, CAST(COALESCE(SUM({number}), 0) AS CHAR) AS total FROM {quote(table.name)}"
        f" WHERE {' AND '.join([within, *keys, not_deleted])}",
        refusals=_NO_MD5,
        doing=doing,
    )
    if isinstance(found, int):
        return _by_reading(session, table, planned)
    return WindowMeasure(int(found[0]["rows_found"]), str(found[0]["total"]))


def count_ahead(session: Session, table: Table, *, doing: str) -> Ahead | None:
    """Count the rows stamped later than the server's clock and `ahead_hours`; None for an object that follows its key.

    Raises: pymysql.MySQLError, OSError, SourceError.
    """
    if table.follows_key:
        return None
    bound = bound_of_belief(table.declared, read_clock(session, doing=doing))
    cursor = table.cursor
    # The latest local time before the bound: when clocks are set back, an hour of the day is both before and after it.
    zone = table.zone if cursor.base != "timestamp" else "UTC"
    _, start = local_bounds(Window(BEGINNING, bound), zone=zone)
    query = f"SELECT COUNT(*) FROM {quote(table.name)} WHERE {quote(cursor.name)} >= '{start}'"
    [(count,)] = session.ask(query, doing=doing)
    return Ahead(int(count), bound)


def _is_plain(table: Table) -> bool:
    """Return whether the server's text of key and version equals ours."""
    is_utc = table.zone == "UTC" or table.cursor.base != "datetime"
    return is_utc and all(c.is_integer or (c.type == "VARCHAR" and not c.is_zerofilled) for c in table.keys)


def _key_text(table: Table) -> str:
    names = [f"CAST({quote(column.name)} AS {_whole(column)})" for column in table.keys]
    if len(names) == 1:
        return names[0]
    return f"CONCAT_WS('|', {', '.join(f'''REPLACE(REPLACE({name}, '%', '%25'), '|', '%7C')''' for name in names)})"


def _whole(column: Column) -> str:
    if not column.is_integer:
        return "CHAR"
    return "UNSIGNED" if column.type.startswith("U") else "SIGNED"


def _version(table: Table) -> str:
    cursor = quote(table.cursor.name)
    return mysql_version(cursor) if table.follows_key else f"TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {cursor})"


def _not_deleted(table: Table) -> str | None:
    """Return the condition for rows not marked as deleted; None where the server would read a mark differently."""
    conditions = ["TRUE"]
    flag = table.column(table.declared.deleted_flag)
    if flag is not None:
        if not flag.is_integer and flag.type != "BOOLEAN":
            return None
        conditions.append(f"COALESCE({quote(flag.name)} + 0, 0) = 0")
    stamp = table.column(table.declared.deleted_when_set)
    if stamp is not None:
        name = quote(stamp.name)
        if not stamp.is_timestamp and not stamp.is_integer:
            return None
        days, seconds = (", ".join(map(literal, times)) for times in (real_zero_dates(), FIRST_SECONDS))
        never = f"{name} < '{FIRST_DAY}' OR {name} >= '{END_OF_TIME}' OR DATE({name}) IN ({days})"
        never = f"{never} OR {name} IN ({seconds})"
        conditions.append(f"({name} IS NULL OR {never if stamp.is_timestamp else f'{name} = 0'})")
    return " AND ".join(conditions)


def _by_reading(session: Session, table: Table, planned: PlannedWindow) -> WindowMeasure:
    wanted = {*(c.name for c in table.keys), table.cursor.name}
    wanted |= {table.declared.deleted_flag, table.declared.deleted_when_set}
    columns = [column for column in table.columns if column.name in wanted]
    con = connect(threads=1)
    try:
        con.execute("CREATE TEMP TABLE seen (record_key VARCHAR, changed_at TIMESTAMPTZ)")
        for batch in read_rows(
            session, table, rows_sql(table, planned, columns=columns), columns=columns, zero_dates=Counter()
        ):
            _note(con, batch, planned)
        fingerprint = key_fingerprint_sql("record_key", "changed_at")
        [(count, total)] = con.execute(f"SELECT count(*), {fingerprint} FROM seen").fetchall()
        return WindowMeasure(int(count), str(total))
    finally:
        con.close()


def _note(con: duckdb.DuckDBPyConnection, batch: pa.RecordBatch, planned: PlannedWindow) -> None:
    start, until = (timestamp_literal(end) for end in (planned.window.start, planned.window.until))
    con.register("batch", pa.Table.from_batches([batch]))
    con.execute(
        "INSERT INTO seen SELECT record_key, changed_at FROM batch WHERE NOT is_deleted"
        f" AND changed_at >= {start} AND changed_at < {until}"
    )
    con.unregister("batch")
