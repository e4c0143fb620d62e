"""Rows that break a rule which does not set them aside: counted, reported, and where the rule says so, refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import duckdb

from dataflow.errors import AuditRefused, BrokenRule, FailedCheck
from dataflow.settings import Settings
from dataflow.validate.business_rules import place_of
from dataflow.validate.cast import TYPED
from dataflow.validate.newest import NEWEST
from dataflow.validate.plan import ObjectPlan
from dataflow.validate.verdict import LABEL
from dataflow.workspace.report import StepReport
from lakehouse.table import literal, quote

BLOCKED_FACT = "blocked"
"""Fact of a report: rows by the rule that stops the publication because of them."""

WARNED_FACT = "warned"
"""Fact of a report: rows by the rule that counts them."""


CATEGORIES_FACT = "blocked_categories"
"""Fact of a report: by the rule that stops the publication, a field that is about no person, and its commonest values.

Shape: rule -> [field, [[value, rows], …]].
"""

_MOST_CATEGORIES = 5


def count_labels(con: duckdb.DuckDBPyConnection, plan: ObjectPlan) -> dict[str, Any]:
    """Return the facts of a report: the newest versions of records that break a rule, by severity and rule."""
    facts: dict[str, Any] = {}
    for fact, severity in ((WARNED_FACT, "warn"), (BLOCKED_FACT, "block")):
        if counted := _counts(con, plan, severity):
            facts[fact] = counted
    if blocked := facts.get(BLOCKED_FACT):
        facts[CATEGORIES_FACT] = {rule: found for rule in blocked if (found := _categories(con, plan, rule))}
    return facts


def describe_warned(con: duckdb.DuckDBPyConnection, plan: ObjectPlan) -> list[str]:
    """Return the notes on rules that count rows."""
    reasons = {check.name: check.reason for check in plan.checks}
    counts = _counts(con, plan, "warn")
    return [f"{count:,} rows of {plan.full_name} break {name}: {reasons[name]}" for name, count in counts.items()]


def refuse_blocked(reports: Iterable[StepReport], settings: Settings, *, run_id: str) -> None:
    """Refuse the publication of rows that break a rule which blocks it. Raises: AuditRefused naming each rule."""
    broken = [
        BrokenRule(
            rule=name,
            on=report.subject,
            owner=settings.rules[name].owner if name in settings.rules else "",
            found=f"{report.subject}: {name} ({_reason(settings, name)}; {count:,} rows)",
        )
        for report in reports
        for name, count in report.facts.get(BLOCKED_FACT, {}).items()
    ]
    if broken:
        raise AuditRefused(
            f"Run {run_id} was not published: rows break rules that block the publication: "
            f"{'; '.join(one.found for one in broken)}.",
            next_move="The lake is as it was. Correct the rows at their source, or the rules, then run again; "
            "`dataflow rules show NAME` shows a rule.",
            failed=tuple(one.found for one in broken),
            broken=tuple(broken),
            checks=tuple(_explained(reports, settings)),
        )


def _explained(reports: Iterable[StepReport], settings: Settings) -> Iterator[FailedCheck]:
    for report in reports:
        for name, count in report.facts.get(BLOCKED_FACT, {}).items():
            field, categories = report.facts.get(CATEGORIES_FACT, {}).get(name, ("", ()))
            place = place_of(settings, name) if name in settings.rules else f"[sources.{report.subject}] checks"
            yield FailedCheck(
                check=name,
                on=report.subject,
                column=field,
                rows=count,
                categories=tuple((str(value), int(rows)) for value, rows in categories),
                settles=f'{place}: correct the rule {name}, or write severity = "reject" to set the rows aside',
            )


def _reason(settings: Settings, name: str) -> str:
    return settings.rules[name].reason if name in settings.rules else "a check of the object"


def _categories(
    con: duckdb.DuckDBPyConnection, plan: ObjectPlan, rule: str
) -> tuple[str, list[tuple[str, int]]] | None:
    """Return the commonest values of the first field of a rule that is declared to be about no person."""
    fields = [
        field
        for check in plan.checks
        if check.name == rule
        for field in check.arguments.named_fields()
        if plan.settings.personal.get(field) == "none"
    ]
    if not fields:
        return None
    rows = con.execute(f"""
        SELECT {quote(fields[0])}::VARCHAR, count(*) FROM {TYPED} t
        SEMI JOIN (SELECT row_id FROM {LABEL} WHERE rule = {literal(rule)}) l ON l.row_id = t._row_id
        WHERE t._row_id IN (SELECT _row_id FROM {NEWEST})
        GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_MOST_CATEGORIES}
    """).fetchall()
    return fields[0], [("missing" if value is None else f'"{value[:40]}"', int(count)) for value, count in rows]


def _counts(con: duckdb.DuckDBPyConnection, plan: ObjectPlan, severity: str) -> dict[str, int]:
    numbers = [str(number) for number, check in enumerate(plan.checks) if check.options.severity == severity]
    if not numbers:
        return {}
    rows = con.execute(f"""
        SELECT rule, count(*) FROM {LABEL} WHERE ordinal IN ({", ".join(numbers)})
        AND row_id IN (SELECT _row_id FROM {NEWEST}) GROUP BY 1 ORDER BY 2 DESC, 1
    """).fetchall()
    return {str(rule): int(count) for rule, count in rows}
