"""SQL text for what changed in a table between two snapshots.

DuckLake's table functions take constants only, so these are texts to put into a FROM clause. `after` is exclusive
and `upto` inclusive, like the watermark that a consumer keeps: the next call starts where this one ended.
"""

from __future__ import annotations

from lakehouse.attach import DATABASE, qualified
from lakehouse.table import Table, literal


def insertions_sql(table: Table, *, after: int, upto: int) -> str:
    """SELECT text: the table's columns for each row written in (after, upto], the new side of updates included."""
    return _select("ducklake_table_insertions", table, "*", after=after, upto=upto)


def changes_sql(table: Table, *, after: int, upto: int) -> str:
    """SELECT text of the change feed in (after, upto].

    Shape: snapshot_id, rowid, change_type (insert, update_preimage, update_postimage, delete), then the columns.
    """
    return _select("ducklake_table_changes", table, "*", after=after, upto=upto)


def _select(function: str, table: Table, columns: str, *, after: int, upto: int) -> str:
    source = f"{function}({literal(DATABASE)}, {literal(table.schema)}, {literal(table.name)}"
    if after < upto:
        return f"SELECT {columns} FROM {source}, {after + 1}, {upto})"
    # An empty interval: the function refuses it, and callers want the columns all the same.
    assert upto >= 0
    return f"SELECT {columns} FROM {source}, {upto}, {upto}) WHERE false"


def as_of_sql(table: Table, version: int) -> str:
    """FROM-clause text of the table as it was at a snapshot."""
    return f"{qualified(table.schema, table.name)} AT (VERSION => {int(version)})"
