"""Rules: arguments, the SQL predicate that is true for a row that breaks the rule, and the text of the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from lakehouse.table import quote

REFUSED_VALUES = "refused_values"
"""Temporary table (rule, value) that the runner fills with the values that value rules refuse."""


class Arguments(BaseModel):
    """The arguments of a rule, as declared beside its name; an unknown argument is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def named_fields(self) -> tuple[str, ...]:
        """Return the fields of the row that the rule reads."""
        raise NotImplementedError


class OneField(Arguments):
    """A rule over one field."""

    field: str

    def named_fields(self) -> tuple[str, ...]:
        return (self.field,)

    @property
    def sql(self) -> str:
        return quote(self.field)


class SeveralFields(Arguments):
    """A rule over two fields or more."""

    fields: tuple[str, ...]

    def named_fields(self) -> tuple[str, ...]:
        return self.fields


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The inputs of a rule besides the row itself.

    `keys_of` returns, for the name of an object, a SELECT of the keys (VARCHAR, not null) that can be referred to;
    `as_key_of` returns, for the name of an object and the SQL of a value, the SQL of the value in the form of its keys;
    `holders_of` returns, for a field, a SELECT of (record_key, value) of the records that hold a value.
    """

    now: datetime
    keys_of: Callable[[str], str]
    holders_of: Callable[[str], str]
    as_key_of: Callable[[str, str], str] = lambda _, value: value
    currencies: frozenset[str] = field(default=frozenset())


A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True, kw_only=True)
class Rule(Generic[A]):
    """One rule; `meaning` states what is true of a good row.

    `broken` can name the columns of the row; a null value breaks no rule other than `required`.

    A rule with a `judge` checks single values: the runner calls it once per distinct value, and `broken` looks up the
    refused ones.
    """

    name: str
    meaning: str
    arguments: type[A]
    broken: Callable[[A, Surroundings], str]
    reason: Callable[[A], str]
    judge: Callable[[str], bool] | None = None


@dataclass(frozen=True)
class Check:
    """A rule switched on for an object, with its arguments."""

    rule: Rule[Any]
    arguments: Arguments

    @property
    def reason(self) -> str:
        return self.rule.reason(self.arguments)

    def broken(self, surroundings: Surroundings) -> str:
        """Return the SQL predicate that is true for a row that breaks the rule."""
        return self.rule.broken(self.arguments, surroundings)


def value_rule(name: str, judge: Callable[[str], bool], *, expected: str) -> Rule[OneField]:
    """Make a rule that accepts or refuses each distinct value of a field by a Python function."""
    refused = f"SELECT value FROM {REFUSED_VALUES} WHERE rule = '{name}'"
    return Rule(
        name=name,
        meaning=f"The field is {expected}",
        arguments=OneField,
        broken=lambda a, _: f"CAST({a.sql} AS VARCHAR) IN ({refused})",
        reason=lambda a: f"{a.field} is not {expected}",
        judge=judge,
    )
