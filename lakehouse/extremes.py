"""The catalogue's minimum and maximum per column, worked out anew from the files that are left.

DuckLake keeps them per table and only ever widens them, so they hold values of rows that are gone. Setting them to
NULL is no way out: the next insert was measured to take its own range for the whole table's, and filters outside
that range then found nothing.
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
    """Set every table's extremes to those of its live files; nothing is left of a column without values."""
    rows = con.execute(
        f"SELECT DISTINCT c.column_type FROM {metadata}.ducklake_table_column_stats s"
        f" JOIN {metadata}.ducklake_column c ON c.table_id = s.table_id AND c.column_id = s.column_id"
        " WHERE c.end_snapshot IS NULL AND (s.min_value IS NOT NULL OR s.max_value IS NOT NULL)"
    ).fetchall()
    for (kind,) in rows:
        _renew_type(con, metadata, str(kind))


def _renew_type(con: DuckDBPyConnection, metadata: str, kind: str) -> None:
    # Anything else (text, bytes, decimals by their own spelling) is named the same in both.
    cast = _COMPARED_AS.get(kind, kind if kind.startswith("decimal") else "VARCHAR")
    live = (
        "SELECT f.table_id, f.column_id,"
        f" arg_min(f.min_value, TRY_CAST(f.min_value AS {cast})) AS low,"
        f" arg_max(f.max_value, TRY_CAST(f.max_value AS {cast})) AS high"
        f" FROM {metadata}.ducklake_file_column_stats f"
        f" JOIN {metadata}.ducklake_data_file d ON d.data_file_id = f.data_file_id"
        f" JOIN {metadata}.ducklake_column c ON c.table_id = f.table_id AND c.column_id = f.column_id"
        f" AND c.end_snapshot IS NULL AND c.column_type = '{kind}'"
        " WHERE d.end_snapshot IS NULL GROUP BY ALL"
    )
    chosen = (
        f"SELECT s.table_id, s.column_id, live.low, live.high FROM {metadata}.ducklake_table_column_stats s"
        f" JOIN {metadata}.ducklake_column c ON c.table_id = s.table_id AND c.column_id = s.column_id"
        f" AND c.end_snapshot IS NULL AND c.column_type = '{kind}'"
        f" LEFT JOIN live ON live.table_id = s.table_id AND live.column_id = s.column_id"
    )
    con.execute(f"CREATE OR REPLACE TEMP TABLE extremes AS WITH live AS ({live}) {chosen}")
    con.execute(
        f"UPDATE {metadata}.ducklake_table_column_stats AS s SET min_value = e.low, max_value = e.high"
        " FROM extremes e WHERE e.table_id = s.table_id AND e.column_id = s.column_id"
    )
    con.execute("DROP TABLE extremes")
