"""Recompute the catalogue's minimum and maximum per column from its files.

DuckLake keeps them per table and uses them for every snapshot. Measured November 2026:
- they only widen, so they contain values of deleted rows;
- a rewrite of data files narrows them to the newest rows; older snapshots then read wrong: filters find no rows, and
  sorting turned 1 into 257;
- NULL does not help: the next insert sets its own range as the whole table's.
So after a rewrite, and after an erasure, they are set to the range of the files that the catalogue lists.
"""

from __future__ import annotations

from duckdb import DuckDBPyConnection

# DuckLake's names of types whose extremes it keeps as text, and how DuckDB compares them.
_COMPARED_AS = {
    "boolean": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "int128": "HUGEINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
    "uint128": "UHUGEINT",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "uuid": "UUID",
}


def renew_extremes(con: DuckDBPyConnection, metadata: str) -> None:
    """Set every table's extremes to those of all its files, older snapshots included.

    A concurrent change wins, and this call fails with a conflict. Attach the lake again afterwards.
    """
    con.execute("BEGIN")
    try:
        _renew(con, metadata)
        con.execute("COMMIT")
    except BaseException:
        con.execute("ROLLBACK")
        raise


def _renew(con: DuckDBPyConnection, metadata: str) -> None:
    rows = con.execute(
        f"SELECT DISTINCT c.column_type FROM {metadata}.ducklake_table_column_stats s"
        f" JOIN {metadata}.ducklake_column c ON c.table_id = s.table_id AND c.column_id = s.column_id"
        " WHERE c.end_snapshot IS NULL"
    ).fetchall()
    for (kind,) in rows:
        _renew_type(con, metadata, str(kind))


def _renew_type(con: DuckDBPyConnection, metadata: str, kind: str) -> None:
    # Any other type (text, bytes, decimals) has the same name in both.
    cast = _COMPARED_AS.get(kind, kind if kind.startswith("decimal") else "VARCHAR")
    held = (
        "SELECT f.table_id, f.column_id,"
        f" arg_min(f.min_value, TRY_CAST(f.min_value AS {cast})) AS low,"
        f" arg_max(f.max_value, TRY_CAST(f.max_value AS {cast})) AS high,"
        " bool_or(f.null_count > 0) AS has_null, bool_or(f.contains_nan) AS has_nan"
        f" FROM {metadata}.ducklake_file_column_stats f"
        f" JOIN {metadata}.ducklake_data_file d ON d.data_file_id = f.data_file_id"
        f" JOIN {metadata}.ducklake_column c ON c.table_id = f.table_id AND c.column_id = f.column_id"
        f" AND c.end_snapshot IS NULL AND c.column_type = '{kind}'"
        " GROUP BY ALL"
    )
    chosen = (
        "SELECT s.table_id, s.column_id, held.* EXCLUDE (table_id, column_id)"
        f" FROM {metadata}.ducklake_table_column_stats s"
        f" JOIN {metadata}.ducklake_column c ON c.table_id = s.table_id AND c.column_id = s.column_id"
        f" AND c.end_snapshot IS NULL AND c.column_type = '{kind}'"
        f" LEFT JOIN held ON held.table_id = s.table_id AND held.column_id = s.column_id"
    )
    con.execute(f"CREATE OR REPLACE TEMP TABLE extremes AS WITH held AS ({held}) {chosen}")
    con.execute(
        f"UPDATE {metadata}.ducklake_table_column_stats AS s SET min_value = e.low, max_value = e.high,"
        " contains_null = coalesce(e.has_null, s.contains_null), contains_nan = coalesce(e.has_nan, s.contains_nan)"
        " FROM extremes e WHERE e.table_id = s.table_id AND e.column_id = s.column_id"
    )
    con.execute("DROP TABLE extremes")
