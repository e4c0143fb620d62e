"""Declared tables as Ibis relations, and expressions back to SQL text for the workspace.

The relations are unbound: the same expression compiles for DuckDB here and for the warehouse's dialect there.
"""

from __future__ import annotations

import ibis
from ibis.expr import types as ir

from dataflow.tables.columns import RUN_ID
from dataflow.workspace.ibis_types import ibis_type
from lakehouse.table import Table


def relation(table: Table) -> ir.Table:
    """Name a declared table, typed, for use in expressions."""
    schema = {column.name: ibis_type(column.type) for column in table.columns}
    return ibis.table(schema, name=table.name, database=table.schema)


def key_relation(name: str, *columns: str) -> ir.Table:
    """Name a table of text keys that the stage has made on its connection."""
    return ibis.table(dict.fromkeys(columns, "string"), name=name)


def shaped(table: Table, rows: ir.Table) -> ir.Table:
    """Bring an expression to the declared columns and types; `_run_id` is left to the workspace."""
    chosen = {
        column.name: rows[column.name].cast(ibis_type(column.type))
        for column in table.columns
        if column.name in rows.columns and column != RUN_ID
    }
    return rows.select(**chosen)


def sql_of(rows: ir.Table, *, dialect: str = "duckdb") -> str:
    """Compile an expression to one SELECT."""
    return str(ibis.to_sql(rows, dialect=dialect))


def widened(rows: ir.Table, other: ir.Table, *keys: str) -> ir.Table:
    """Left-join columns onto rows; the other side's copies of the keys go."""
    joined = rows.left_join(other, list(keys), rname="{name}__other")
    return joined.select(*[name for name in joined.columns if not name.endswith("__other")])
