"""Row rules that a company writes itself: a condition in the language of rules, as a check like any other."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ConfigDict

from checks.expression import Expression, parse_expression
from checks.rule import Arguments, Check, Options, Rule, Surroundings
from lakehouse.table import timestamp_literal


class Condition(Arguments):
    """The condition that is true of a good row."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
    expression: Expression

    def named_fields(self) -> tuple[str, ...]:
        return self.expression.fields

    def references(self) -> tuple[tuple[str, str], ...]:
        return self.expression.references


def _broken(a: Condition, around: Surroundings) -> str:
    written = a.expression.sql(
        now_sql=timestamp_literal(around.now), keys_of=around.keys_of, as_key_of=around.as_key_of
    )
    return f"NOT {written}"


HOLDS = Rule(
    name="holds",
    meaning="A condition in SQL is true of the row",
    arguments=Condition,
    broken=_broken,
    reason=lambda a: f"not {a.expression.text}",
)
"""The rule of `[rules.NAME]`; the short forms of an object's `checks` are in checks/rules.py."""


def row_rule(holds: str, options: Options, *, fields: Iterable[str], place: str) -> Check:
    """Compile a condition on rows with these fields. Raises: CheckDeclarationError."""
    return Check(HOLDS, Condition(expression=parse_expression(holds, fields=fields, place=place)), options)
