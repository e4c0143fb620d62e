"""Values of the sample's customers, which no log, database of a tool or argument may hold."""

from __future__ import annotations

from pathlib import Path

import duckdb


def values_of(home: Path) -> set[str]:
    """The addresses of the sample's customers."""
    with duckdb.connect() as con:
        rows = con.execute(
            f"SELECT DISTINCT email FROM '{home}/sample/mysql/customers/*.parquet' WHERE email LIKE '%_@_%.%'"
        ).fetchall()
    found = {str(email) for (email,) in rows if len(str(email)) > 12}
    assert len(found) > 50
    return found


def assert_without(canaries: set[str], texts: dict[str, bytes]) -> None:
    found = {(name, canary[:3]) for name, text in texts.items() for canary in canaries if canary.encode() in text}
    assert found == set()
