"""What a mapping makes of a value that its conformed column does not accept: kept, replaced, or its row set aside.

Whether a row is set aside is known when it is validated: `judgements_of` gives validation the SELECT of such rows.
Values that are kept or replaced are settled when records are conformed (dataflow/conform/settle.py), and so are records
that validation cannot judge by one row, as their value is of a joined object: these are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from dataflow.conform.compiled import CompiledMapping
from dataflow.conform.names_in_scope import RowScope
from dataflow.conform.operators import build_value
from dataflow.errors import MappingError
from dataflow.settings import FieldExpression
from dataflow.tables.accepted import SET_ASIDE, Accepted, accepted_of
from dataflow.workspace.compiled import compiled_once
from dataflow.workspace.fingerprints import hash_settings
from dataflow.workspace.ibis_types import ibis_type
from dataflow.workspace.relations import sql_of
from lakehouse.deferred import deferred
from lakehouse.table import quote

if TYPE_CHECKING:
    import ibis
    from ibis.expr import datatypes as dt
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    dt = deferred("ibis.expr.datatypes")
    ir = deferred("ibis.expr.types")

_BRANCHES = 2
"""Of a condition; where one is missing, its value is null."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One column of one mapping that sets rows of its object aside.

    `sql` is a SELECT of `row_id` and `value` (null where values are not listed) of the rows to set aside.
    """

    mapping: CompiledMapping
    accepted: Accepted
    sql: str

    @property
    def rule(self) -> str:
        return self.accepted.rule

    @property
    def reason(self) -> str:
        """Return the reason of a dead letter; it holds no value of the row."""
        return f"{self.accepted.column} of mappings.{self.mapping.name} is not {self.accepted.expected}"

    @property
    def fields(self) -> frozenset[str]:
        """Return the fields of the object that the column is made of."""
        return frozenset(fields_in([self.mapping.settings.fields[name] for name in self.accepted.columns]))

    @property
    def settings(self) -> dict[str, Any]:
        """Return what decides which rows are set aside, for the fingerprint of the object."""
        declared = self.mapping.settings
        fields = {name: declared.fields[name] for name in self.accepted.columns}
        return {"reason": self.reason, "fields": fields, "where": declared.where, "group_by": declared.group_by}


def check_values(mapping: CompiledMapping) -> None:
    """Refuse constants that a column does not accept, and an `other` that it does not take. Raises: MappingError."""
    known = {one.column: one for one in accepted_of(mapping.target)}
    for name, one in known.items():
        words = _constants(mapping.settings.fields[name])[0] if name in mapping.settings.fields else []
        wrong = [word for word in words if one.words and str(word).lower() not in one.words]
        if wrong:
            raise MappingError(
                f"mappings.{mapping.name}.fields.{name} gives {', '.join(map(repr, wrong))}; it can give: "
                f"{', '.join(one.words)}."
            )
    for column, cost in mapping.settings.other.items():
        place = f"mappings.{mapping.name}.other"
        if column not in known:
            raise MappingError(f"{place} names {column!r}; it takes: {', '.join(sorted(known)) or 'no column'}.")
        one = known[column]
        if cost not in one.others and not (one.pattern and re.fullmatch(one.pattern, cost)):
            codes = [f"or {one.expected}"] if one.pattern else []
            raise MappingError(f"{place}.{column} is {cost!r}; it can be {', '.join([*one.others, *codes])}.")


def open_columns(mapping: CompiledMapping) -> Iterator[tuple[Accepted, str]]:
    """Yield the columns of a mapping that can get a value outside what they accept, each with what that costs."""
    fields = mapping.settings.fields
    for one in accepted_of(mapping.target):
        if all(name in fields for name in one.columns) and not _is_closed(one, fields[one.column]):
            yield one, mapping.settings.other.get(one.column, one.cost)


def judgements_of(
    mapping: CompiledMapping, *, row_id: str, relation: str, fields: Mapping[str, str]
) -> Iterator[Judgement]:
    """Yield what sets rows of the mapping's object aside. `relation` has the typed fields of its rows and `row_id`."""
    declared = {one.column: one for one, cost in open_columns(mapping) if cost == SET_ASIDE}

    def judged() -> str:
        rows = ibis.table({row_id: "int64", **{name: ibis_type(kind) for name, kind in fields.items()}}, name=relation)
        numbers = [(True, _number(mapping, name)) for name in _narrow_numbers(mapping, rows)]
        every = [*numbers, *((False, one) for one in declared.values())]
        return json.dumps([
            (one.column, is_number, _outside_sql(mapping, one, rows, row_id=row_id))
            for is_number, one in every
            if _is_of_the_row(mapping, one.columns, rows)
        ])  # fmt: skip

    decided = hash_settings(
        mapping=mapping.name,
        mappings={name: (one.settings.model_dump(), one.key_kinds) for name, one in mapping.siblings.items()},
        row=(row_id, relation, dict(fields)),
    )
    for name, is_number, sql in json.loads(compiled_once(f"judgements {decided}", judged)):
        accepted = _number(mapping, name) if is_number else declared[name]
        yield Judgement(mapping=mapping, accepted=accepted, sql=sql)


def _is_of_the_row(mapping: CompiledMapping, columns: tuple[str, ...], rows: ir.Table) -> bool:
    """Return whether the columns are made of fields of the row alone, and not of a joined object."""
    expressions = [mapping.settings.fields[name] for name in columns]
    return all(name in rows.columns for expression in expressions for name in fields_in(expression))


def _narrow_numbers(mapping: CompiledMapping, rows: ir.Table) -> Iterator[str]:
    """Yield the numeric columns that are narrower than what is mapped to them: not every value can be cast."""
    scope = _RowOfGroup(mapping, rows)
    for name in mapping.settings.fields:
        kind = ibis_type(mapping.target.column(name).type)
        if kind.is_numeric() and _is_of_the_row(mapping, (name,), rows):
            given = _mapped(mapping, name, scope).type()
            if given.is_numeric() and not _holds(kind, given):
                yield name


def _number(mapping: CompiledMapping, name: str) -> Accepted:
    kind = mapping.target.column(name).type
    return Accepted(
        table=mapping.target,
        columns=(name,),
        rule="type",
        expected=f"a number that {kind} holds",
        outside=lambda value: f"({value} IS NOT NULL AND TRY_CAST({value} AS {kind}) IS NULL)",
    )


def _holds(wanted: dt.DataType, given: dt.DataType) -> bool:
    """Return whether a numeric type holds every value of another, rounded to its decimals."""
    (whole, decimals), (whole_given, decimals_given) = _digits(wanted), _digits(given)
    if isinstance(wanted, dt.Integer):
        whole -= 1  # of 2^63 - 1, a number of 19 digits, only all those of 18 are held
    # Rounding can add a digit: 9.99 to 10.0.
    return given == wanted or (whole_given < whole if decimals_given > decimals else whole_given <= whole)


def _digits(kind: dt.DataType) -> tuple[float, float]:
    """Return the digits before and after the decimal point that the values of a numeric type can have."""
    if isinstance(kind, dt.Decimal):
        return (kind.precision or 38) - (kind.scale or 0), kind.scale or 0
    if isinstance(kind, dt.Integer):
        return len(str(kind.bounds.upper)), 0
    return inf, inf


def _outside_sql(mapping: CompiledMapping, one: Accepted, rows: ir.Table, *, row_id: str) -> str:
    chosen = rows
    for name, wanted in mapping.settings.where.items():
        chosen = chosen.filter(chosen[name] == ibis.literal(wanted).cast(chosen[name].type()))
    scope = _RowOfGroup(mapping, chosen)
    values = {f"c{n}": _mapped(mapping, name, scope) for n, name in enumerate(one.columns)}
    mapped = sql_of(chosen.select(**{row_id: chosen[row_id]}, **values))
    listed = "CAST(c0 AS VARCHAR)" if one.lists_values else "NULL::VARCHAR"
    # Of a group one row has the value that counts: a row without it says nothing.
    given = "c0 IS NOT NULL AND " if mapping.is_grouped else ""
    return f"SELECT {quote(row_id)} AS row_id, {listed} AS value FROM ({mapped}) WHERE {given}({one.outside(*values)})"


class _RowOfGroup(RowScope):
    """Names resolved to the columns of one row, also in a mapping with group_by: each row of the group is judged."""

    def over_time(self, operator: str, name: str) -> ir.Value:
        return self.field(name) if self.mapping.is_grouped else super().over_time(operator, name)


def _mapped(mapping: CompiledMapping, column: str, scope: RowScope) -> ir.Value:
    scope.place = f"mappings.{mapping.name}.fields.{column}"
    value = build_value(mapping.settings.fields[column], scope)
    # Texts of dates and numbers are refused when mappings are compiled.
    return value.cast("string") if mapping.target.column(column).type == "VARCHAR" else value


def _is_closed(one: Accepted, expression: FieldExpression) -> bool:
    """Return whether an expression gives only constants that the column accepts."""
    words, is_all = _constants(expression)
    return is_all and bool(one.words) and all(str(word).lower() in one.words for word in words)


def _constants(expression: FieldExpression) -> tuple[list[object], bool]:
    """Return the constants that an expression gives, and whether it gives nothing else."""
    if isinstance(expression, dict):
        if "value" in expression:
            return [expression["value"]], True
        if isinstance(expression.get("map"), dict):
            default = [expression["default"]] if isinstance(expression.get("default"), str) else []
            return [*expression["map"].values(), *default], bool(default)
        if "if" in expression:
            branches = [_constants(expression[word]) for word in ("then", "else") if word in expression]
            return [word for words, _ in branches for word in words], len(branches) == _BRANCHES and all(
                is_all for _, is_all in branches
            )
    return [], False


def fields_in(expression: object) -> Iterator[str]:
    """Yield the names of the fields that an expression reads."""
    if isinstance(expression, str):
        yield expression
    elif isinstance(expression, list):
        for one in expression:
            yield from fields_in(one)
    elif isinstance(expression, dict):
        for word in ("first_of", "join", "of", "key", "latest", "earliest", "if", "then", "else"):
            yield from fields_in(expression.get(word))
