"""Declare tables as Ibis relations, and compile expressions to SQL text for the workspace.

The relations are unbound: one expression compiles for DuckDB here and for the SQL dialect of a warehouse.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from dataflow.tables.columns import RUN_ID
from dataflow.workspace.ibis_types import ibis_type
from lakehouse.deferred import deferred
from lakehouse.table import Table

if TYPE_CHECKING:
    import ibis
    from ibis.expr import operations as ops
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    ops = deferred("ibis.expr.operations")
    ir = deferred("ibis.expr.types")


@cache
def relation(table: Table) -> ir.Table:
    """Return a declared table as a typed relation."""
    schema = {column.name: ibis_type(column.type) for column in table.columns}
    return ibis.table(schema, name=table.name, database=table.schema)


def key_relation(name: str, *columns: str) -> ir.Table:
    """Return the relation of a table of text keys that the stage has created on its connection."""
    return ibis.table(dict.fromkeys(columns, "string"), name=name)


def shaped(table: Table, rows: ir.Table) -> ir.Table:
    """Cast an expression to the declared columns and types; the workspace adds `_run_id`."""
    chosen = {
        column.name: rows[column.name].cast(ibis_type(column.type))
        for column in table.columns
        if column.name in rows.columns and column != RUN_ID
    }
    return rows.select(**chosen)


def sql_of(rows: ir.Table, *, dialect: str = "duckdb") -> str:
    """Compile an expression to one SELECT; an equal one is compiled once for all runs of a process."""
    return _compiled(rows.op(), dialect)


@lru_cache(maxsize=512)
def _compiled(rows: ops.Relation, dialect: str) -> str:
    return str(ibis.to_sql(rows.to_expr(), dialect=dialect))


def widened(rows: ir.Table, other: ir.Table, *keys: str) -> ir.Table:
    """Left-join columns onto rows; drop the other side's copies of the keys."""
    joined = rows.left_join(other, list(keys), rname="{name}__other")
    return joined.select(*[name for name in joined.columns if not name.endswith("__other")])
