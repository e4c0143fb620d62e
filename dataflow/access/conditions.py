"""Check the condition by which a role sees only some rows of a table: a closed expression over its columns.

DuckDB parses the condition (statements.py says why), so that no text of it can end the condition it stands in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb

from dataflow.access.answers import fold
from lakehouse.connect import connect
from lakehouse.table import Table, literal, quote
from lakehouse.translate import without_trace

_EXPRESSIONS = frozenset({"BETWEEN", "CASE", "CAST", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "OPERATOR"})
# Without clock, randomness or state: a row must be seen or not, whenever the mart is written.
_FUNCTIONS = frozenset(
    {
        "coalesce",
        "contains",
        "ends_with",
        "length",
        "list_contains",
        "lower",
        "month",
        "nullif",
        "prefix",
        "starts_with",
    }
    | {"suffix", "upper", "year", "~~", "!~~", "~~*", "+", "-", "*", "/", "!"}
)


def condition_sql(condition: str) -> str:
    """Return the condition in brackets; a comment at its end does not reach beyond."""
    return f"(\n{condition}\n)"


def condition_faults(table: Table, condition: str) -> list[str]:
    """List what is wrong with a condition over the table's columns."""
    with connect(threads=1) as con:
        try:
            row = con.execute(f"SELECT json_serialize_sql({literal(_question(table, condition))})").fetchone()
        except UnicodeEncodeError:
            return ["it is not UTF-8 text"]
        parsed = json.loads(row[0]) if row else {}
        if parsed.get("error"):
            return [f"it cannot be read: {parsed.get('error_message')}"]
        faults = list(dict.fromkeys(_refusals(parsed["statements"], table)))
        if faults:
            return faults
        con.execute(f"CREATE SCHEMA {table.schema}")
        # One row, without values: DuckDB finds some errors only when it compares.
        columns = ", ".join(f"CAST(NULL AS {column.type}) AS {quote(column.name)}" for column in table.columns)
        con.execute(f"CREATE TABLE {table.sql_name} AS SELECT {columns}")
        try:
            con.execute(_question(table, condition))
        except duckdb.Error as error:
            return [without_trace(error)]
    return []


def _question(table: Table, condition: str) -> str:
    return f"SELECT 1 FROM {table.sql_name} WHERE {condition_sql(condition)}"


def _refusals(statements: list[Any], table: Table) -> Iterator[str]:
    node = statements[0]["node"] if len(statements) == 1 else {}
    # The condition stands in brackets: any other part of a SELECT in it comes from a bracket too many.
    parts = ("modifiers", "group_expressions", "group_sets", "having", "sample", "qualify")
    if (
        node.get("type") != "SELECT_NODE"
        or any(node[part] for part in parts)
        or node["from_table"]["type"] != "BASE_TABLE"
    ):
        yield "it is more than one condition"
        return
    columns = {fold(name) for name in table.column_names}
    stack: list[Any] = [node["where_clause"]]
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack.extend(reversed(value))
        elif isinstance(value, dict):
            yield from _refuse(value, columns)
            if value.get("class") != "CONSTANT":
                stack.extend(value.values())


def _refuse(node: dict[str, Any], columns: set[str]) -> Iterator[str]:
    kind = node.get("class")
    if kind == "FUNCTION":
        if fold(node["function_name"]) not in _FUNCTIONS or node["schema"] or node["catalog"]:
            yield f"the function {node['function_name']} is not permitted"
    elif kind == "COLUMN_REF":
        if len(node["column_names"]) != 1 or fold(node["column_names"][0]) not in columns:
            yield f"the table has no column {'.'.join(node['column_names'])}"
    elif kind is not None and kind not in _EXPRESSIONS:
        yield f"a {str(kind).replace('_', ' ').lower()} is not permitted"
