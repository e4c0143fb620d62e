"""Hash the published content: equal for equal rows, whichever run wrote them and in whatever order."""

from __future__ import annotations

import hashlib

import duckdb

from dataflow.settings import Settings
from dataflow.tables import published
from lakehouse.table import Table, column_list


def content_hash(reader: duckdb.DuckDBPyConnection, settings: Settings | None = None) -> str:  # noqa: ARG001
    """Hash the published tables of the lake attached to `reader` as `lake`.

    The order of rows does not count, nor do columns with the time or run of writing (Column.volatile).
    `customer_history.valid_from` and `valid_to` do count: they are the history. For equal hashes, two runs must
    share their `now`.
    """
    total = hashlib.md5(usedforsecurity=False)
    for table in sorted(published.TABLES, key=lambda table: table.name):
        total.update(f"{table.full_name}:{_table_hash(reader, table)};".encode())
    return total.hexdigest()


def _table_hash(reader: duckdb.DuckDBPyConnection, table: Table) -> str:
    columns = column_list(column.name for column in table.columns if not column.volatile)
    # A sum, unlike XOR, detects a row that occurs twice.
    row = reader.execute(
        f"SELECT count(*), coalesce(sum(md5_number_lower(row({columns})::VARCHAR)::HUGEINT), 0) FROM {table.in_lake}"
    ).fetchone()
    assert row is not None
    return f"{row[0]}/{row[1]}"
