"""Run the examples of rules, try rules on published rows before they are switched on, suggest rules from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import duckdb

from checks.errors import CheckDeclarationError
from checks.registry import unknown_name
from checks.rule import Check, Surroundings
from dataflow.errors import ConfigurationError, UsageError
from dataflow.settings import RuleSettings, Settings
from dataflow.sources.record_key import object_keys, record_key_sql
from dataflow.validate.business_rules import compile_row_rule, compile_rules, place_of
from lakehouse.connect import connect
from lakehouse.query import fetch_int, fetch_records
from lakehouse.table import Table, literal, quote, timestamp_literal

TRIED_DAYS = 30
_MOST_VALUES = 12
_MOST_CATEGORIES = 5
_NUMBERS = ("BIGINT", "INTEGER", "DOUBLE", "DECIMAL")


@dataclass(frozen=True, kw_only=True)
class ExampleResult:
    """One example of a rule."""

    rule: str
    place: str
    number: int
    expected: str
    found: str

    @property
    def passed(self) -> bool:
        return self.expected == self.found


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What a rule would have done to the rows of the last days. `categories` has no value of a personal class."""

    rule: str
    on: str
    severity: str
    rows: int
    broken: int
    categories: tuple[str, ...] = ()


def run_examples(settings: Settings, tables: Mapping[str, Table]) -> list[ExampleResult]:
    """Run the examples of every rule. Raises: ConfigurationError for a rule or example that cannot be run."""
    compile_rules(settings, tables)
    with closing(connect(threads=1)) as con:
        return [
            result
            for name, rule in settings.rules.items()
            if rule.is_of_rows
            for result in _examples_of(con, name, rule, settings, tables)
        ]


def _examples_of(
    con: duckdb.DuckDBPyConnection, name: str, rule: RuleSettings, settings: Settings, tables: Mapping[str, Table]
) -> Iterator[ExampleResult]:
    place, types = place_of(settings, name), types_of(rule.on, settings, tables)
    check = _undated(compile_row_rule(name, rule, fields=types, place=place))
    keys = ", ".join(map(literal, rule.keys)) or "NULL"
    around = _surroundings(f"SELECT unnest([{keys}])", settings, now=datetime(2026, 1, 1))  # noqa: DTZ001 (not read)
    for expected, rows in (("passes", rule.passes), ("fails", rule.fails)):
        for number, row in enumerate(rows, 1):
            if unknown := sorted(set(row) - set(types)):
                raise ConfigurationError(f"{place}: {expected}: {unknown_name('field', unknown[0], types)}")
            columns = ", ".join(_cell(field, kind, row.get(field)) for field, kind in types.items())
            try:
                broken = fetch_int(con, f"SELECT coalesce({check.broken(around)}, false)::INT FROM (SELECT {columns})")
            except duckdb.Error:
                raise ConfigurationError(
                    f"{place}: the example {number} of {expected} has a value that does not fit its field.",
                    next_move="Write it as the field's type has it.",
                ) from None
            found = "fails" if broken else "passes"
            yield ExampleResult(rule=name, place=place, number=number, expected=expected, found=found)


def try_rules(
    con: duckdb.DuckDBPyConnection,
    rules: Mapping[str, RuleSettings],
    settings: Settings,
    tables: Mapping[str, Table],
    *,
    now: datetime,
) -> list[Tried]:
    """Count what rules of rows would have found: of an object, in the valid rows read in the last days.

    Raises: ConfigurationError.
    """
    tried = settings.model_copy(update={"rules": dict(rules)})
    compile_rules(tried, tables)
    found = []
    for name, rule in rules.items():
        if not rule.is_of_rows:
            raise UsageError(f"The rule {name} is of a whole table; only rules with holds can be tried.")
        types = types_of(rule.on, settings, tables)
        try:
            check = compile_row_rule(name, rule, fields=types, place=place_of(settings, name))
        except CheckDeclarationError as error:
            raise ConfigurationError(str(error)) from None
        found.append(_tried(con, check, rule, settings, tables, now=now))
    return found


def _tried(
    con: duckdb.DuckDBPyConnection,
    check: Check,
    rule: RuleSettings,
    settings: Settings,
    tables: Mapping[str, Table],
    *,
    now: datetime,
) -> Tried:
    table, recent = _table_of(rule.on, tables), "true"
    if table.schema == "valid":
        recent = f"_extracted_at >= {timestamp_literal(now - timedelta(days=TRIED_DAYS))}"
    else:
        check = _undated(check)
    keys = object_keys(settings)

    def keys_of(name: str) -> str:
        return f"SELECT _record_key FROM {tables['valid.' + name.replace('.', '_', 1)].in_lake}"

    around = Surroundings(
        now=now,
        keys_of=keys_of,
        holders_of=keys_of,
        as_key_of=lambda name, value: record_key_sql(value, keys[name].kinds),
    )
    broken = f"FROM {table.in_lake} WHERE {recent} AND ({check.broken(around)})"
    return Tried(
        rule=check.name,
        on=rule.on,
        severity=rule.severity,
        rows=fetch_int(con, f"SELECT count(*) FROM {table.in_lake} WHERE {recent}"),
        broken=fetch_int(con, f"SELECT count(*) {broken}"),
        categories=tuple(_categories(con, check, broken, rule.on, settings)),
    )


def _categories(
    con: duckdb.DuckDBPyConnection, check: Check, broken: str, on: str, settings: Settings
) -> Iterator[str]:
    """Yield the commonest values among the rows that break a rule, of fields that are not personal."""
    for field in check.arguments.named_fields():
        if field in open_fields(on, settings):
            most = f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_MOST_CATEGORIES}"
            rows = con.execute(f"SELECT {quote(field)}::VARCHAR, count(*) {broken} {most}").fetchall()
            yield from (f"{field} = {'missing' if value is None else value}: {count:,}" for value, count in rows)


def open_fields(on: str, settings: Settings) -> set[str]:
    """Return the fields of an object that are declared to be about no person: only their values are shown."""
    source, _, name = on.partition(".")
    declared = settings.sources.get(source)
    found = declared.objects.get(name) if declared else None
    return {field for field, kind in found.personal.items() if kind == "none"} if found else set()


def types_of(on: str, settings: Settings, tables: Mapping[str, Table]) -> dict[str, str]:
    """Return the fields of an object or table, with their types."""
    table = _table_of(on, tables)
    if table.schema != "valid":
        return {column.name: column.type for column in table.columns}
    source, _, name = on.partition(".")
    return {field: table.column(field).type for field in settings.sources[source].objects[name].fields}


def suggest_rules(con: duckdb.DuckDBPyConnection, on: str, settings: Settings, tables: Mapping[str, Table]) -> str:
    """Return rules that the rows of an object keep now, as TOML to paste; values only of fields that are not personal.

    Raises: UsageError for an unknown object.
    """
    objects = [f"{source}.{name}" for source, system in settings.sources.items() for name in system.objects]
    if on not in objects:
        raise UsageError(unknown_name("object", on, objects))
    table, types = _table_of(on, tables), types_of(on, settings, tables)
    shown = open_fields(on, settings)
    checks: list[str] = []
    for field, kind in types.items():
        checks += _suggested(con, table, field, kind, shows_values=field in shown)
    listed = "".join(f"  {one},\n" for one in checks)
    source, _, name = on.partition(".")
    return f"[sources.{source}.objects.{name}]\nchecks = [\n{listed}]\n"


def _suggested(
    con: duckdb.DuckDBPyConnection, table: Table, field: str, kind: str, *, shows_values: bool
) -> Iterator[str]:
    column = quote(field)
    [found] = fetch_records(
        con,
        f"SELECT count(*) AS rows, count({column}) AS given, count(DISTINCT {column}) AS distinct_values,"
        f" min({column})::VARCHAR AS least, max({column})::VARCHAR AS most FROM {table.in_lake}",
    )
    named = f"field = {_toml(field)}"
    if not found["rows"]:
        return
    if found["given"] == found["rows"]:
        yield f'{{ rule = "required", {named} }}'
    if not shows_values or not found["given"]:
        return
    if kind.startswith(_NUMBERS):
        yield f'{{ rule = "at_least", {named}, value = {found["least"]} }}'
        yield f'{{ rule = "at_most", {named}, value = {found["most"]} }}'
    elif kind == "VARCHAR" and found["distinct_values"] <= _MOST_VALUES < found["given"]:
        rows = con.execute(f"SELECT DISTINCT {column} FROM {table.in_lake} WHERE {column} IS NOT NULL ORDER BY 1")
        values = ", ".join(_toml(str(value)) for (value,) in rows.fetchall())
        yield f'{{ rule = "one_of", {named}, values = [{values}] }}'


def _toml(text: str) -> str:
    import json

    # A basic string of TOML has the escapes of JSON.
    return json.dumps(text, ensure_ascii=False)


def _table_of(on: str, tables: Mapping[str, Table]) -> Table:
    return tables[on] if on in tables else tables[f"valid.{on.replace('.', '_', 1)}"]


def _undated(check: Check) -> Check:
    return replace(check, options=replace(check.options, since=None))


def _surroundings(keys: str, settings: Settings, *, now: datetime) -> Surroundings:
    known = object_keys(settings)
    return Surroundings(
        now=now,
        keys_of=lambda _: keys,
        holders_of=lambda _: keys,
        as_key_of=lambda name, value: record_key_sql(value, known[name].kinds),
    )


def _cell(field: str, kind: str, value: Any) -> str:
    text = "NULL" if value is None else literal(str(value).lower() if isinstance(value, bool) else str(value))
    return f"CAST({text} AS {kind}) AS {quote(field)}"
