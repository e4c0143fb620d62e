"""Translate the condition by which a role sees only some rows from DuckDB to GoogleSQL, where that is exact."""

from __future__ import annotations

import sqlglot
from sqlglot import exp

from lakehouse.table import Table

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_TEXT, _NUMBER = "VARCHAR", "BIGINT"


def condition_in_googlesql(table: Table, condition: str) -> str | None:
    """Return the same condition in GoogleSQL; None where it has parts that could mean something else there.

    Exact are AND, OR, NOT, IS NULL and comparisons, IN and BETWEEN of a text, whole number or truth value with
    constants. The rows of other conditions are chosen by DuckDB, and loaded into a table of the role's own.
    """
    # DuckDB has read it before: what sqlglot cannot read is not exact.
    try:
        found = sqlglot.parse_one(f"(\n{condition}\n)", read="duckdb")
    except sqlglot.errors.SqlglotError:
        return None
    return found.sql(dialect="bigquery", comments=False) if _is_exact(found, table) else None


def _is_exact(node: exp.Expr, table: Table) -> bool:
    if isinstance(node, exp.Paren | exp.Not):
        return _is_exact(node.this, table)
    if isinstance(node, exp.And | exp.Or):
        return _is_exact(node.left, table) and _is_exact(node.right, table)
    if isinstance(node, _COMPARISONS):
        return _are_alike(node.left, [node.right], table) or _are_alike(node.right, [node.left], table)
    if isinstance(node, exp.Between):
        return _are_alike(node.this, [node.args["low"], node.args["high"]], table)
    if isinstance(node, exp.In):
        return bool(node.expressions) and _are_alike(node.this, node.expressions, table)
    if isinstance(node, exp.Is):
        return bool(_type(node.this, table)) and isinstance(node.expression, exp.Null)
    return _type(node, table) == "BOOLEAN"


def _are_alike(column: exp.Expr, constants: list[exp.Expr], table: Table) -> bool:
    kind = _type(column, table)
    if kind == _TEXT:
        # A backslash begins an escape in GoogleSQL; texts of other characters are the same.
        return all(isinstance(one, exp.Literal) and one.is_string and "\\" not in one.name for one in constants)
    if kind == _NUMBER:
        return all(_is_whole_number(one) for one in constants)
    return kind == "BOOLEAN" and all(isinstance(one, exp.Boolean) for one in constants)


def _is_whole_number(node: exp.Expr) -> bool:
    number = node.this if isinstance(node, exp.Neg) else node
    return isinstance(number, exp.Literal) and number.is_int


def _type(node: exp.Expr, table: Table) -> str:
    """Return the type of a column of the table; "" for anything else."""
    if not isinstance(node, exp.Column) or node.table:
        return ""
    named = {column.name.casefold(): column.type for column in table.columns}
    return named.get(node.name.casefold(), "")
