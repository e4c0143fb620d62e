"""What a rule is: its arguments, the SQL predicate that is true for a row that breaks it, and the reason in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from lakehouse.table import quote

REFUSED_VALUES = "refused_values"
"""Temporary table (rule, value) that the runner fills with what the value rules refuse."""


class Arguments(BaseModel):
    """The arguments of a rule, as written beside its name; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def named_fields(self) -> tuple[str, ...]:
        """The fields of the row that the rule reads."""
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
    """What a rule may need beside the row itself.

    `keys_of` gives, for the name of an object, a SELECT of the keys (VARCHAR, not null) that can be referred to;
    `holders_of` gives, for a field, a SELECT of (record_key, value) of the records that already hold a value.
    """

    now: datetime
    keys_of: Callable[[str], str]
    holders_of: Callable[[str], str]
    currencies: frozenset[str] = field(default=frozenset())


A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True, kw_only=True)
class Rule(Generic[A]):
    """One rule: `meaning` says what holds of a good row.

    `broken` may name the columns of the row; for a null value a rule other than `required` holds.

    A rule with a `judge` is about single values: the runner asks it once per distinct value, and `broken` looks the
    refused ones up.
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
        """SQL predicate: true for a row that breaks the rule."""
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
