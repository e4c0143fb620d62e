"""The registry of rules, each one declaration; the checks of objects refer to them by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import combinations
from typing import Any

from pydantic import TypeAdapter, ValidationError

from checks.errors import CheckDeclarationError
from checks.registry import Registry, unknown_name
from checks.rule import Arguments, Check, OneField, Options, Rule, SeveralFields, Surroundings, value_rule
from checks.values import is_currency, is_email, is_ip_address
from lakehouse.table import literal, quote, timestamp_literal


class Bound(OneField):
    value: Decimal


class Choice(OneField):
    values: tuple[str | int, ...]


class Pattern(OneField):
    pattern: str


class Reference(OneField):
    object: str

    def references(self) -> tuple[tuple[str, str], ...]:
        return ((self.field, self.object),)


class TimestampRule(OneField):
    value: str
    """A date or time, ISO 8601."""


def _one_of(a: Choice, _: Surroundings) -> str:
    return f"CAST({a.sql} AS VARCHAR) NOT IN ({', '.join(literal(str(value)) for value in a.values)})"


def _refers_to(a: Reference, around: Surroundings) -> str:
    # Of no keys at all, null is not among them either.
    key = around.as_key_of(a.object, f"CAST({a.sql} AS VARCHAR)")
    return f"{a.sql} IS NOT NULL AND {key} NOT IN ({around.keys_of(a.object)})"


def _in_order(a: SeveralFields, _: Surroundings) -> str:
    pairs = (f"{quote(earlier)} > {quote(later)}" for earlier, later in combinations(a.fields, 2))
    return " OR ".join(f"coalesce({pair}, false)" for pair in pairs)


def _none_given(a: SeveralFields, _: Surroundings) -> str:
    return " AND ".join(f"{quote(name)} IS NULL" for name in a.fields)


def _held_by_another(a: OneField, around: Surroundings) -> str:
    holders = f"SELECT value, record_key FROM ({around.holders_of(a.field)})"
    return (
        f"EXISTS (SELECT 1 FROM ({holders}) AS holder WHERE holder.value = CAST({a.sql} AS VARCHAR) "
        "AND holder.record_key <> _record_key)"
    )


_ALL: tuple[Rule[Any], ...] = (
    Rule(
        name="required",
        meaning="The field is given",
        arguments=OneField,
        broken=lambda a, _: f"{a.sql} IS NULL",
        reason=lambda a: f"{a.field} is missing",
    ),
    Rule(
        name="any_required",
        meaning="At least one of the fields is given",
        arguments=SeveralFields,
        broken=_none_given,
        reason=lambda a: f"none of {', '.join(a.fields)} is given; at least one is needed",
    ),
    Rule(
        name="at_least",
        meaning="The field is not less than a value",
        arguments=Bound,
        broken=lambda a, _: f"{a.sql} < {a.value}",
        reason=lambda a: f"{a.field} is less than {a.value}",
    ),
    Rule(
        name="at_most",
        meaning="The field is not more than a value",
        arguments=Bound,
        broken=lambda a, _: f"{a.sql} > {a.value}",
        reason=lambda a: f"{a.field} is more than {a.value}",
    ),
    Rule(
        name="one_of",
        meaning="The field is one of the listed values",
        arguments=Choice,
        broken=_one_of,
        reason=lambda a: f"{a.field} is not one of {', '.join(str(value) for value in a.values)}",
    ),
    Rule(
        name="matches",
        meaning="The whole field matches a regular expression (RE2)",
        arguments=Pattern,
        broken=lambda a, _: f"NOT regexp_full_match(CAST({a.sql} AS VARCHAR), {literal(a.pattern)})",
        reason=lambda a: f"{a.field} does not match {a.pattern}",
    ),
    Rule(
        name="refers_to",
        meaning="The field is the key of a record of the given object that is or was valid",
        arguments=Reference,
        broken=_refers_to,
        reason=lambda a: f"{a.field} refers to a record of {a.object} that was never valid",
    ),
    Rule(
        name="unique",
        meaning="No other record has the same value in the field",
        arguments=OneField,
        broken=_held_by_another,
        reason=lambda a: f"{a.field} has the same value in another record",
    ),
    Rule(
        name="in_order",
        meaning="The given fields do not decrease from the first to the last",
        arguments=SeveralFields,
        broken=_in_order,
        reason=lambda a: f"{', '.join(a.fields)} are not in chronological order",
    ),
    Rule(
        name="not_in_future",
        meaning="The field is not after the start of the run",
        arguments=OneField,
        broken=lambda a, around: f"{a.sql} > {timestamp_literal(around.now)}",
        reason=lambda a: f"{a.field} is in the future",
    ),
    Rule(
        name="not_before",
        meaning="The field is not before a day or time",
        arguments=TimestampRule,
        broken=lambda a, _: f"{a.sql} < TIMESTAMPTZ {literal(a.value)}",
        reason=lambda a: f"{a.field} is before {a.value}",
    ),
    Rule(
        name="has_rate",
        meaning="The field is the base currency or one with an exchange rate in dataflow.toml",
        arguments=OneField,
        broken=lambda a, around: (
            f"upper(trim({a.sql})) NOT IN ({', '.join(map(literal, sorted(around.currencies))) or 'NULL'})"
        ),
        reason=lambda a: f"there is no exchange rate for {a.field}; add it to the rates and replay",
    ),
    value_rule("email", is_email, expected="an e-mail address"),
    value_rule("ip_address", is_ip_address, expected="an IPv4 or IPv6 address"),
    value_rule("currency", is_currency, expected="an ISO 4217 currency code"),
)


RULES: Registry[Rule[Any]] = Registry("rule", _ALL, name=lambda rule: rule.name)


_OPTIONS = ("severity", "when_null", "since", "owner", "name", "reason")
_OPTIONS_SHAPE = TypeAdapter(Options)


def compile_check(declared: Mapping[str, Any], *, fields: Iterable[str], place: str) -> Check:
    """Turn `{rule, …arguments}` into a check of rows with these fields.

    Raises: CheckDeclarationError naming the place, what was found and what exists.
    """
    named = str(declared.get("rule", ""))
    rule = RULES.get(named)
    if rule is None:
        raise CheckDeclarationError(f"{place}: {unknown_name('rule', named, RULES)}")
    given = {name: value for name, value in declared.items() if name not in ("rule", *_OPTIONS)}
    try:
        arguments: Arguments = rule.arguments(**given)
        options = _OPTIONS_SHAPE.validate_python({name: declared[name] for name in _OPTIONS if name in declared})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors(include_input=False))
        expected = ", ".join([*sorted(rule.arguments.model_fields), *_OPTIONS])
        raise CheckDeclarationError(f"{place}, rule {named}: {faults}. It takes: {expected}.") from None
    known = set(fields)
    unknown = sorted(set(arguments.named_fields()) - known)
    if unknown:
        raise CheckDeclarationError(
            f"{place}, rule {named}, names {', '.join(unknown)}; the object has: {', '.join(sorted(known))}."
        )
    return Check(rule, arguments, options)


def compile_checks(declared: Iterable[Mapping[str, Any]], *, fields: Iterable[str], place: str) -> list[Check]:
    """Turn all declared checks of an object into checks. Raises: CheckDeclarationError."""
    known = list(fields)
    return [compile_check(one, fields=known, place=place) for one in declared]
