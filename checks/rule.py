"""Rules: arguments, the SQL predicate that is true for a row that breaks the rule, and the text of the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from lakehouse.table import literal, quote

REFUSED_VALUES = "refused_values"
"""Temporary table (rule, value) that the runner fills with the values that value rules refuse."""


Severity = Literal["reject", "warn", "block"]
WhenNull = Literal["pass", "fail"]


class Arguments(BaseModel):
    """The arguments of a rule, as declared beside its name; an unknown argument is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def named_fields(self) -> tuple[str, ...]:
        """Return the fields of the row that the rule reads."""
        raise NotImplementedError

    def references(self) -> tuple[tuple[str, str], ...]:
        """Return the fields that refer to records of an object, each with the object."""
        return ()

    def named_objects(self) -> frozenset[str]:
        """Return the objects whose records the rule asks for."""
        return frozenset(name for _, name in self.references())


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
class Options:
    """How a rule is applied, whatever it says: what breaking it does, what null means, from when on, who acts.

    `severity`: `reject` sets the row aside, `warn` counts it, `block` stops the publication. `since`: rows that changed
    at their source before it are not judged. `name` and `reason` replace those of the rule.
    """

    severity: Severity = "reject"
    when_null: WhenNull = "pass"
    since: date | None = None
    owner: str = ""
    name: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Check:
    """A rule switched on for an object, with its arguments and options."""

    rule: Rule[Any]
    arguments: Arguments
    options: Options = field(default=Options())

    @property
    def name(self) -> str:
        return self.options.name or self.rule.name

    @property
    def reason(self) -> str:
        return self.options.reason or self.rule.reason(self.arguments)

    @property
    def sets_aside(self) -> bool:
        return self.options.severity == "reject"

    def broken(self, surroundings: Surroundings) -> str:
        """Return the SQL predicate that is true for a row that breaks the rule.

        The one place where null is decided: a condition that is neither true nor false passes, or fails.
        """
        broken = self.rule.broken(self.arguments, surroundings)
        if self.options.when_null == "fail":
            broken = f"coalesce({broken}, true)"
        if self.options.since is not None:
            broken = f"({broken}) AND _changed_at >= TIMESTAMPTZ {literal(self.options.since.isoformat())}"
        return broken


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
