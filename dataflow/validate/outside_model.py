"""Describe the rows that the conformed model does not accept: how many, which values, what to declare for them."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from dataflow.conform.outside import Judgement
from dataflow.conform.outside_values import MOST_DIFFERENT, describe_values, is_shown
from dataflow.validate.plan import ObjectPlan
from dataflow.validate.verdict import OUTSIDE


def describe_outside(con: duckdb.DuckDBPyConnection, plan: ObjectPlan) -> list[str]:
    """Return a note for each judgement of the object that sets rows aside."""
    counts = dict(con.execute(f"SELECT number, count(*) FROM {OUTSIDE} GROUP BY 1 ORDER BY 1").fetchall())
    notes = []
    for number, count in counts.items():
        one = plan.judgements[number]
        named, line = describe_values(_values(con, plan, number), one.mapping, one.accepted.column)
        said = f"{count:,} rows of {plan.full_name} are set aside ({one.rule}): {one.reason}{named}"
        advice = f"To map them, {line}" if line else _advice(one)
        notes.append(f"{said}. {advice}" if advice else said)
    return notes


def _values(con: duckdb.DuckDBPyConnection, plan: ObjectPlan, number: int) -> Sequence[tuple[str | None, int]]:
    one = plan.judgements[number]
    if not one.accepted.lists_values or not is_shown(one.mapping, one.accepted.column, plan.settings.personal):
        return []
    return con.execute(
        f"SELECT value, count(*) FROM {OUTSIDE} WHERE number = {number}"
        f" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_DIFFERENT + 1}"
    ).fetchall()


def _advice(one: Judgement) -> str:
    return f"In [mappings.{one.mapping.name}], {one.accepted.advice}" if one.accepted.advice else ""
