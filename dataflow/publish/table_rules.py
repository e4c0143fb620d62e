"""Rules of conformed and published tables: conditions on rows, and what holds of all rows together.

They are checked in the transaction of the publication. A rule that blocks refuses it, one that warns is reported.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from checks.errors import CheckDeclarationError
from checks.expression import require_condition
from checks.registry import unknown_name
from checks.row_rule import Condition
from checks.rule import Surroundings
from dataflow.errors import ConfigurationError
from dataflow.settings import RuleSettings, Settings
from dataflow.validate.business_rules import TABLE_SCHEMAS, compile_row_rule, place_of
from lakehouse.connect import connect
from lakehouse.query import fetch_int
from lakehouse.table import Table, column_list, literal, quote, timestamp_literal


@dataclass(frozen=True, kw_only=True)
class TableRule:
    """One rule. `sql` selects one number: the rows that break it, or 1 where the table as a whole does.

    `fields` are those that it reads of its table; `broken` is the condition of the rows that break it, empty where it
    is not one of rows.
    """

    name: str
    on: str
    tables: frozenset[str]
    always: bool
    blocks: bool
    reason: str
    owner: str
    sql: str
    place: str
    fields: tuple[str, ...] = ()
    broken: str = ""


@dataclass(frozen=True)
class _Number:
    """The SELECT of a rule's number, the other tables that it reads, its fields, and the condition of broken rows."""

    sql: str
    others: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    broken: str = ""


@dataclass(frozen=True)
class RuleResult:
    """How many rows break a rule."""

    rule: TableRule
    count: int

    @property
    def passed(self) -> bool:
        return not self.count

    def __str__(self) -> str:
        return f"{self.rule.on}: {self.rule.name} ({self.rule.reason}; {self.count:,} rows)"


def compile_table_rules(settings: Settings, tables: Mapping[str, Table], *, now: datetime) -> list[TableRule]:
    """Compile the rules of tables. Raises: ConfigurationError naming file and line."""
    declared = {name: rule for name, rule in settings.rules.items() if rule.on.partition(".")[0] in TABLE_SCHEMAS}
    known = {name: table for name, table in tables.items() if table.schema in TABLE_SCHEMAS}
    found = []
    for name, rule in declared.items():
        place = place_of(settings, name)
        if rule.on not in known:
            raise ConfigurationError(f"{place}: {unknown_name('table', rule.on, known)}")
        if rule.severity == "reject":
            raise ConfigurationError(
                f"{place}: a rule of a table cannot set rows aside; its severity is warn or block.",
                next_move="Give severity, or write the rule for the object that the rows come from.",
            )
        try:
            number = _count_sql(name, rule, known, now=now, place=place)
        except CheckDeclarationError as error:
            raise ConfigurationError(str(error)) from None
        found.append(
            TableRule(
                name=name,
                on=rule.on,
                tables=frozenset({rule.on, *number.others}),
                always=rule.fresh is not None,
                blocks=rule.severity == "block",
                reason=rule.reason,
                owner=rule.owner,
                sql=number.sql,
                place=place,
                fields=number.fields,
                broken=number.broken,
            )
        )
    return found


def check_table_rules(
    con: duckdb.DuckDBPyConnection, rules: Sequence[TableRule], changed: Collection[str]
) -> list[RuleResult]:
    """Check the rules of tables that changed, inside the open transaction of `con`."""
    due = [rule for rule in rules if rule.always or rule.tables & set(changed)]
    return [RuleResult(rule, fetch_int(con, rule.sql)) for rule in due]


def _count_sql(name: str, rule: RuleSettings, known: Mapping[str, Table], *, now: datetime, place: str) -> _Number:
    table = known[rule.on]
    if rule.holds:
        return _broken_rows(name, rule, table, now=now, place=place)
    if rule.unique:
        fields = [_field(table, field, place=place) for field in rule.unique]
        given = " AND ".join(f"{quote(field)} IS NOT NULL" for field in fields)
        groups = f"SELECT count(*) AS n FROM {table.in_lake} WHERE {given} GROUP BY {column_list(fields)} HAVING n > 1"
        return _Number(f"SELECT coalesce(sum(n), 0)::BIGINT FROM ({groups})", fields=tuple(fields))
    if rule.refers is not None:
        other, target = _field_of(rule.refers.to, known, place=place)
        field = _field(table, rule.refers.field, place=place)
        keys = f"SELECT {quote(target)} FROM {other.in_lake} WHERE {quote(target)} IS NOT NULL"
        missing = f"{quote(field)} IS NOT NULL AND {quote(field)} NOT IN ({keys})"
        return _count_broken(table, missing, others=(other.full_name,), fields=(field,))
    if rule.sum is not None:
        other, target = _field_of(rule.sum.equals, known, place=place)
        field = _field(table, rule.sum.field, place=place)
        ours, theirs = (
            f"(SELECT coalesce(sum({quote(one)}), 0) FROM {of.in_lake})"
            for one, of in ((field, table), (target, other))
        )
        differs = f"SELECT (abs({ours} - {theirs}) > {rule.sum.tolerance!r})::BIGINT"
        return _Number(differs, others=(other.full_name,), fields=(field,))
    if rule.fresh is not None:
        oldest = timestamp_literal(now - timedelta(hours=rule.fresh.within_hours))
        field = _field(table, rule.fresh.field, place=place)
        sql = f"SELECT coalesce(max({quote(field)}) < {oldest}, true)::BIGINT FROM {table.in_lake}"
        return _Number(sql, fields=(field,))
    assert rule.rows is not None
    most = "" if rule.rows.at_most is None else f" OR count(*) > {rule.rows.at_most}"
    return _Number(f"SELECT (count(*) < {rule.rows.at_least}{most})::BIGINT FROM {table.in_lake}")


def _count_broken(table: Table, broken: str, *, others: tuple[str, ...] = (), fields: tuple[str, ...] = ()) -> _Number:
    return _Number(f"SELECT count(*) FROM {table.in_lake} WHERE {broken}", others, fields, broken)


def _broken_rows(name: str, rule: RuleSettings, table: Table, *, now: datetime, place: str) -> _Number:
    if rule.since is not None:
        raise CheckDeclarationError(f"{place}: since is of rules of objects; {rule.on} is a table.")
    check = compile_row_rule(name, rule, fields=table.column_names, place=place)
    assert isinstance(check.arguments, Condition)
    if check.arguments.named_objects():
        raise CheckDeclarationError(f"{place}: is_key_of is for rules of objects; of a table, give refers.")
    types = {column.name: column.type for column in table.columns}
    with closing(connect(threads=1)) as con:
        require_condition(con, check.arguments.expression, types, place=place)
    around = Surroundings(now=now, keys_of=_no_keys, holders_of=_no_keys)
    return _count_broken(table, check.broken(around), fields=check.arguments.named_fields())


def _no_keys(name: str) -> str:
    return f"SELECT NULL WHERE {literal(name)} = ''"


def _field(table: Table, name: str, *, place: str) -> str:
    if name not in table.column_names:
        raise CheckDeclarationError(f"{place}: {table.full_name}: {unknown_name('field', name, table.column_names)}")
    return name


def _field_of(text: str, known: Mapping[str, Table], *, place: str) -> tuple[Table, str]:
    table, _, field = text.rpartition(".")
    if table not in known:
        raise CheckDeclarationError(f"{place}: {unknown_name('table', table, known)}")
    return known[table], _field(known[table], field, place=place)
