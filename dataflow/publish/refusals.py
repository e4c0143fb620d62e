"""Explain the checks that refuse a publication: column, rows, commonest offending values, and what settles it.

Runs only when a check has failed, on the connection of the open transaction, before it is rolled back. Values are shown
of columns without a class of personal data; of others only rows are counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb

from checks.contract import ContractCheck, contract_of
from dataflow.conform.outside_values import toml
from dataflow.errors import FailedCheck
from dataflow.publish.invariants import InvariantResult
from dataflow.publish.table_rules import RuleResult
from dataflow.settings import Settings
from dataflow.tables.columns import NOT_PERSONAL
from dataflow.tables.conformed import CUSTOMER_ORDER, CUSTOMER_RECORD, TICKET
from dataflow.tables.published import CUSTOMER_360, ORDERS, TICKETS, XREF
from lakehouse.query import fetch_int
from lakehouse.table import DATABASE, Table, literal, quote

Result = ContractCheck | InvariantResult | RuleResult
"""The result of a check of a publication."""

MOST_CATEGORIES = 5
_LONGEST_VALUE = 40
_OF_COLUMN = re.compile(r"columns\.(?P<column>\w+)\.checks\.(?P<kind>missing|invalid|duplicate)")
_MAPPED_FROM = {
    ORDERS.full_name: CUSTOMER_ORDER,
    TICKETS.full_name: TICKET,
    CUSTOMER_360.full_name: CUSTOMER_RECORD,
    XREF.full_name: CUSTOMER_RECORD,
}
"""The conformed table whose mappings fill the columns of a published one that have the same name."""


def explain_failed(
    con: duckdb.DuckDBPyConnection,
    failed: Sequence[Result],
    *,
    tables: Mapping[str, Table],
    settings: Settings | None,
) -> tuple[FailedCheck, ...]:
    """Explain each failed check, in order."""
    return tuple(_explained(con, one, tables, settings) for one in failed)


def commonest(con: duckdb.DuckDBPyConnection, relation: str, column: str, *, where: str) -> tuple[tuple[str, int], ...]:
    """Return the commonest values of a column that is not personal among the rows of a condition, with their counts."""
    rows = con.execute(
        f"SELECT {quote(column)}::VARCHAR, count(*) FROM {relation} WHERE {where}"
        f" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_CATEGORIES}"
    ).fetchall()
    return tuple(("missing" if value is None else f'"{value[:_LONGEST_VALUE]}"', int(count)) for value, count in rows)


def _explained(
    con: duckdb.DuckDBPyConnection,
    one: Result,
    tables: Mapping[str, Table],
    settings: Settings | None,
) -> FailedCheck:
    if isinstance(one, InvariantResult):
        # Nothing that is declared can settle it.
        return FailedCheck(check=one.invariant.name, on=one.invariant.table.full_name, rows=one.violations)
    if isinstance(one, RuleResult):
        return _of_rule(con, one, tables)
    table = tables.get(one.table)
    return FailedCheck(check=one.check, on=one.table) if table is None else _of_contract(con, one, table, settings)


def _of_rule(con: duckdb.DuckDBPyConnection, one: RuleResult, tables: Mapping[str, Table]) -> FailedCheck:
    rule, table = one.rule, tables[one.rule.on]
    column = next((field for field in rule.fields if _is_shown(table, field)), "")
    categories = commonest(con, table.in_lake, column, where=rule.broken) if column and rule.broken else ()
    return FailedCheck(
        check=rule.name,
        on=rule.on,
        column=column or ", ".join(rule.fields),
        rows=one.count,
        categories=categories,
        settles=f'{rule.place}: correct the rule {rule.name}, or write severity = "warn"',
    )


def _of_contract(
    con: duckdb.DuckDBPyConnection, one: ContractCheck, table: Table, settings: Settings | None
) -> FailedCheck:
    found = _OF_COLUMN.fullmatch(one.check)
    if found is None:
        rows = one.measured.get("failed_rows_count")
        return FailedCheck(check=one.check, on=one.table, rows=None if rows is None else int(rows))
    column, kind = found["column"], found["kind"]
    where = _broken_sql(table, column, kind)
    shows = kind == "invalid" and bool(where) and _is_shown(table, column)
    categories = commonest(con, table.in_lake, column, where=where) if shows else ()
    measured = one.measured.get(f"{kind}_count")
    rows = fetch_int(con, f"SELECT count(*) FROM {table.in_lake} WHERE {where}") if where else int(measured or 0)
    return FailedCheck(
        check=one.check,
        on=one.table,
        column=column,
        rows=rows,
        categories=categories,
        settles=_settling_line(table, column, categories, settings),
    )


def _is_shown(table: Table, column: str) -> bool:
    return column in table.column_names and table.column(column).classification == NOT_PERSONAL


def _broken_sql(table: Table, column: str, kind: str) -> str:
    """Return the condition of the rows that break a check of a column; empty where it is not one of rows."""
    if kind == "duplicate":
        return ""
    if kind == "missing":
        return f"{quote(column)} IS NULL"
    declared = contract_of(table, database=DATABASE)["columns"]
    checks: Sequence[Mapping[str, Any]] = next((one.get("checks", []) for one in declared if one["name"] == column), [])
    found = [part for check in checks if "invalid" in check for part in _invalid_sql(quote(column), check["invalid"])]
    return f"({' OR '.join(found)})" if found else ""


def _invalid_sql(column: str, check: Mapping[str, Any]) -> Iterator[str]:
    if words := check.get("valid_values"):
        yield f"{column} NOT IN ({', '.join(literal(str(word)) for word in words)})"
    if "valid_min" in check:
        yield f"{column} < {check['valid_min']}"
    if "valid_max" in check:
        yield f"{column} > {check['valid_max']}"
    if form := check.get("valid_format"):
        yield f"NOT regexp_matches({column}::VARCHAR, {literal(str(form['regex']))})"


def _settling_line(table: Table, column: str, categories: Sequence[tuple[str, int]], settings: Settings | None) -> str:
    """Return the line of dataflow.toml that maps the values of a column; empty where no mapping fills it."""
    conformed = _MAPPED_FROM.get(table.full_name)
    if conformed is None or settings is None:
        return ""
    filled = {
        name: mapping.fields[column]
        for name, mapping in settings.mappings.items()
        if f"conformed.{mapping.table}" == conformed.full_name and column in mapping.fields
    }
    if not filled:
        return ""
    places = " or ".join(f"[mappings.{name}.fields]" for name in filled)
    words = [value for value, _ in categories if value.startswith('"')]
    expression = next(iter(filled.values()))
    if not words:
        return f"in {places} another expression for {column}, which is {toml(expression)}"
    pairs = ", ".join(f'{word} = "…"' for word in words)
    if isinstance(expression, dict) and "map" in expression:
        return f"in {places} add {pairs} to the map of {column}"
    return f"in {places} write {column} = {{ map = {{ {pairs} }}, of = {toml(expression)} }}"
