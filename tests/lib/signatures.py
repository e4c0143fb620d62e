"""DuckDB checks the signature of an extension at each LOAD, over the whole file: not again for each test's connections.

It takes up to 0.2 CPU seconds a file, where a LOAD takes 0.001 s. Processes that tests start check as always, and
tests/unit/lakehouse/test_connect.py holds that the lake's own connections do.
"""

from __future__ import annotations

from typing import Any

import duckdb

connect_and_check = duckdb.connect


def trust_extensions() -> None:
    """Have every connection of this process load extensions without checking their signatures."""
    duckdb.connect = _connect_and_trust


def _connect_and_trust(
    database: str = ":memory:", read_only: bool = False, config: dict[str, Any] | None = None
) -> duckdb.DuckDBPyConnection:
    # A database that is open already is opened again only with the same configuration: all connections get it.
    trusting = {"allow_unsigned_extensions": True, **(config or {})}
    return connect_and_check(database, read_only=read_only, config=trusting)
