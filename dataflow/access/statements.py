"""Check a person's SQL: exactly one SELECT, or EXPLAIN of one, over tables and permitted functions.

DuckDB itself parses the statement (`json_serialize_sql`, which accepts only SELECT): another parser can read a
statement differently from the engine, and sqlglot parses EXPLAIN as one opaque command. The check is on the tree: names
in comments, strings and aliases do not count, and scopes distinguish a table from the CTE that shadows it.

This is one of two locks. The other is the connection (lakehouse/lockdown.py), which reaches no other files; it can
write within the lake's data and the readers' copy of the catalogue, so COPY is refused only here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import duckdb

from dataflow.access.answers import fold
from dataflow.access.functions import SCALAR_FUNCTIONS, TABLE_FUNCTIONS
from dataflow.errors import UsageError
from lakehouse.table import DATABASE, literal, quote

SCHEMAS = ("raw", "valid", "conformed", "resolved", "enriched", "published", "ops", "information_schema")
_CATALOGUES = ("", DATABASE)
_SYSTEM_VIEWS = frozenset({"duckdb_columns", "duckdb_schemas", "duckdb_tables", "duckdb_views"})
_LISTINGS = ('"tables"', "__show_tables_expanded")
_QUERY_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE"})
_REFERENCES = frozenset(
    {"BASE_TABLE", "EMPTY", "EXPRESSION_LIST", "JOIN", "PIVOT", "SHOW_REF", "SUBQUERY", "TABLE_FUNCTION"}
)
_EXPRESSIONS = frozenset(
    {"BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "DEFAULT"}
    | {"FUNCTION", "LAMBDA", "OPERATOR", "PARAMETER", "POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "WINDOW"}
)
# DuckDB reads a table that does not exist from a file of that name.
_LIKE_A_FILE = re.compile(r"[./\\:*?\[]")
_EXPLAIN = re.compile(r"\s*explain\b\s*(\(\s*format\s+\w+\s*\))?", re.IGNORECASE | re.ASCII)
_ANALYZE = re.compile(r"\W*analy[sz]e\b", re.IGNORECASE | re.ASCII)
_ONE_VIEW = re.compile(r'\s*(?:select\s+\*\s+)?from\s+"?published"?\s*\.\s*"?(\w+)"?\s*;?\s*', re.IGNORECASE | re.ASCII)
_ALLOWED = (
    f"Ask one SELECT (or EXPLAIN of one) over tables named schema.table of {', '.join(SCHEMAS)}; of table functions "
    f"there are {', '.join(sorted(TABLE_FUNCTIONS))}. Published data changes through runs only."
)

_BEGINNINGS = frozenset({"SELECT", "WITH", "FROM", "VALUES", "TABLE"})

Scope = frozenset[str]


class Checked(NamedTuple):
    """A statement to execute, whether it is EXPLAIN, and its parse tree."""

    text: str
    is_plan: bool
    tree: Any


def check_statement(con: duckdb.DuckDBPyConnection, sql: str) -> Checked:
    """Return the statement to execute.

    Raises: UsageError naming everything in it that is not allowed.

    EXPLAIN is put before the checked text again, so that nothing unchecked is between the two.
    """
    explain = _EXPLAIN.match(sql)
    body = sql[explain.end() :] if explain else sql
    if explain and _ANALYZE.match(body):
        raise UsageError("EXPLAIN ANALYZE executes what it explains.", next_move=_ALLOWED)
    statements = _parse(con, body)
    if len(statements) != 1:
        raise UsageError(f"query runs one SELECT; this is {len(statements)} statements.", next_move=_ALLOWED)
    found = list(dict.fromkeys(refusals(statements[0])))
    if found:
        raise UsageError(f"The query uses what is not permitted: {', '.join(found)}.", next_move=_ALLOWED)
    text = f"EXPLAIN {explain[1] or ''} {body}" if explain else body
    return Checked(text, explain is not None, statements[0])


def view_statement(con: duckdb.DuckDBPyConnection, sql: str, *, role: str) -> str:
    """Return the statement of a role without SQL: all of one view, by its name. Raises: UsageError with the views."""
    rows = con.execute(
        f"SELECT table_name FROM duckdb_tables() WHERE database_name = {literal(DATABASE)}"
        " AND schema_name = 'published' ORDER BY ALL"
    ).fetchall()
    names = [str(name) for (name,) in rows]
    found = _ONE_VIEW.fullmatch(sql)
    if found is None or fold(found[1]) not in names:
        raise UsageError(
            f"The role {role} reads whole views and asks no SQL of its own.",
            next_move=f'Ask "from published.NAME" with one of {", ".join(names)}.',
        )
    return f"FROM published.{quote(fold(found[1]))}"


def refusals(tree: Any) -> Iterator[str]:
    """Yield the parts of a parsed statement that are not permitted, in the order of the tree."""
    # An explicit stack: a statement can be nested deeper than Python's calls.
    stack: list[tuple[Any, Scope]] = [(tree, frozenset())]
    while stack:
        value, scope = stack.pop()
        if isinstance(value, list):
            stack.extend((item, scope) for item in reversed(value))
        elif isinstance(value, dict):
            yield from _refuse(value, scope)
            stack.extend(reversed(list(_children(value, scope))))


def _parse(con: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    """Return the statements as DuckDB parses them. Raises: UsageError for anything but SELECT."""
    if "\0" in sql:
        raise UsageError("The query contains a NUL character.", next_move="Remove it.")
    try:
        row = con.execute(f"SELECT json_serialize_sql({literal(sql)})").fetchone()
        parsed = json.loads(row[0]) if row else {}
    except UnicodeEncodeError:
        raise UsageError("The query is not UTF-8 text.", next_move="Correct its encoding.") from None
    except RecursionError:
        raise UsageError("The query is nested too deeply.", next_move="Split it by CTEs.") from None
    if not parsed.get("error"):
        return list(parsed["statements"])
    if parsed.get("error_type") == "not implemented":
        raise UsageError(f"query runs one SELECT; this is {_verb(sql)}.", next_move=_ALLOWED)
    raise UsageError(f"The query cannot be read: {parsed.get('error_message')}.", next_move="Correct it.")


def _children(node: dict[str, Any], scope: Scope) -> Iterator[tuple[Any, Scope]]:
    """Yield the children of a node with the CTEs they can name: earlier ones, and their own if recursive."""
    if "cte_map" not in node:
        # A table function is checked with its node: its children are the arguments.
        judged = node["function"] if node.get("type") == "TABLE_FUNCTION" else {}
        yield from ((value, scope) for value in node.values() if value is not judged)
        yield from ((value, scope) for value in judged.values())
        return
    for entry in node["cte_map"]["map"]:
        yield entry["value"], scope
        scope |= {fold(entry["key"])}
    for name, value in node.items():
        if name == "cte_map":
            continue
        # The first branch of a recursive CTE cannot name the CTE: there the name means what it means outside.
        recursive = node["type"] == "RECURSIVE_CTE_NODE" and name == "right"
        yield value, scope | {fold(node["cte_name"])} if recursive else scope


def _refuse(node: dict[str, Any], scope: Scope) -> Iterator[str]:
    if "cte_map" in node:
        if node["type"] not in _QUERY_NODES:
            yield f"a {_readable(node['type'])}"
        names = [entry["key"] for entry in node["cte_map"]["map"]]
        yield from (f"the name {name} for a CTE" for name in names if _LIKE_A_FILE.search(name))
    elif "class" in node:
        yield from _refuse_expression(node)
    elif "sample" in node:
        yield from _refuse_reference(node, scope)


def _refuse_expression(node: dict[str, Any]) -> Iterator[str]:
    if node["class"] not in _EXPRESSIONS:
        yield f"a {_readable(node['class'])}"
    name = node.get("function_name", "")
    if name and fold(name) not in SCALAR_FUNCTIONS:
        yield f"the function {name}"


def _refuse_reference(node: dict[str, Any], scope: Scope) -> Iterator[str]:
    match node["type"]:
        case "BASE_TABLE":
            yield from _refuse_table(node, scope)
        case "TABLE_FUNCTION":
            function = node["function"]
            name = function.get("function_name", "")
            if fold(name) not in TABLE_FUNCTIONS or function.get("schema") or function.get("catalog"):
                yield f"the table function {name}"
        case "SHOW_REF":
            is_listing = node["table_name"] in _LISTINGS or node["show_type"] == "SHOW_FROM"
            if node["query"] is None and not (is_listing and _is_place(node["catalog_name"], node["schema_name"])):
                yield f"SHOW {node['table_name']}"
        case kind if kind not in _REFERENCES:
            yield f"a {_readable(kind)}"


def _is_place(catalogue: str, schema: str) -> bool:
    return fold(catalogue) in _CATALOGUES and (not schema or fold(schema) in SCHEMAS)


def _refuse_table(node: dict[str, Any], scope: Scope) -> Iterator[str]:
    catalogue, schema, name = node["catalog_name"], node["schema_name"], node["table_name"]
    full_name = ".".join(part for part in (catalogue, schema, name) if part)
    if _LIKE_A_FILE.search(name):
        yield f"the file {full_name}"
    elif not schema:
        if fold(name) not in scope | _SYSTEM_VIEWS:
            yield f"{full_name}, which has no schema and is not a CTE in scope"
    elif not _is_place(catalogue, schema):
        yield f"the table {full_name}"


def _readable(kind: str) -> str:
    return kind.replace("_", " ").lower()


def _verb(sql: str) -> str:
    """Return what a text is that DuckDB does not parse as SELECTs alone, as the end of a sentence."""
    first = re.match(r"\W*(\w*)", sql)
    verb = first[1].upper() if first else ""
    if verb not in _BEGINNINGS:
        return verb or "something else"
    if re.search(r"\bpivot\b", sql, re.IGNORECASE) and ";" not in sql:
        return "one with PIVOT, which is not permitted: write count(*) FILTER (WHERE …) for each column"
    return "a SELECT and another statement"
