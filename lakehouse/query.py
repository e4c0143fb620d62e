"""Read small answers: one number, or rows by column name."""

from __future__ import annotations

from typing import Any

from duckdb import DuckDBPyConnection


def fetch_int(con: DuckDBPyConnection, sql: str) -> int:
    """Run a statement and return its one number: a count, or the rows written by an INSERT, DELETE or CREATE TABLE."""
    ((number,),) = con.execute(sql).fetchall()
    return int(number)


def fetch_records(con: DuckDBPyConnection, sql: str, parameters: list[Any] | None = None) -> list[dict[str, Any]]:
    """Run a query and return its rows by column name."""
    cursor = con.execute(sql, parameters) if parameters else con.execute(sql)
    names = [str(column[0]) for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
