"""Rows that break a rule which does not set them aside: counted, reported, and where the rule says so, refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import duckdb

from dataflow.errors import AuditRefused, BrokenRule
from dataflow.settings import Settings
from dataflow.validate.newest import NEWEST
from dataflow.validate.plan import ObjectPlan
from dataflow.validate.verdict import LABEL
from dataflow.workspace.report import StepReport

BLOCKED_FACT = "blocked"
"""Fact of a report: rows by the rule that stops the publication because of them."""

WARNED_FACT = "warned"
"""Fact of a report: rows by the rule that counts them."""


def count_labels(con: duckdb.DuckDBPyConnection, plan: ObjectPlan) -> dict[str, Any]:
    """Return the facts of a report: the newest versions of records that break a rule, by severity and rule."""
    facts = {}
    for fact, severity in ((WARNED_FACT, "warn"), (BLOCKED_FACT, "block")):
        if counted := _counts(con, plan, severity):
            facts[fact] = counted
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
        )


def _reason(settings: Settings, name: str) -> str:
    return settings.rules[name].reason if name in settings.rules else "a check of the object"


def _counts(con: duckdb.DuckDBPyConnection, plan: ObjectPlan, severity: str) -> dict[str, int]:
    numbers = [str(number) for number, check in enumerate(plan.checks) if check.options.severity == severity]
    if not numbers:
        return {}
    rows = con.execute(f"""
        SELECT rule, count(*) FROM {LABEL} WHERE ordinal IN ({", ".join(numbers)})
        AND row_id IN (SELECT _row_id FROM {NEWEST}) GROUP BY 1 ORDER BY 2 DESC, 1
    """).fetchall()
    return {str(rule): int(count) for rule, count in rows}
