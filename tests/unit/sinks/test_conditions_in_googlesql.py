"""Row filters of roles in GoogleSQL: translated where that is exact; other rows are chosen before they are loaded."""

from __future__ import annotations

import pytest

from dataflow.sinks.bigquery.conditions import condition_in_googlesql
from lakehouse.table import Column, Table

TABLE = Table(
    schema="published",
    name="t",
    grain="row",
    key=("a",),
    owner="tests",
    columns=(
        Column("a", "VARCHAR", "", "none"),
        Column("n", "BIGINT", "", "none"),
        Column("b", "BOOLEAN", "", "none"),
        Column("d", "DOUBLE", "", "none"),
        Column("seen_at", "TIMESTAMPTZ", "", "none"),
    ),
)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("a = 'x'", "(a = 'x')"),
        ("'x' = a", "('x' = a)"),
        ("a IN ('x', 'y') AND n >= -3", "(a IN ('x', 'y') AND n >= -3)"),
        ("NOT (a IS NULL) OR b", "(NOT (a IS NULL) OR b)"),
        ("n BETWEEN 1 AND 3", "(n BETWEEN 1 AND 3)"),
        ("a = 'it''s' -- a remark", "(a = 'it\\'s')"),
        ("b = true", "(b = TRUE)"),
    ],
)
def test_exact_conditions_are_translated(condition: str, expected: str) -> None:
    assert condition_in_googlesql(TABLE, condition) == expected


@pytest.mark.parametrize(
    "condition",
    [
        "lower(a) = 'x'",
        "a LIKE 'x%'",
        "a ILIKE 'x%'",
        "d > 0.1",
        "n > 1.5",
        "a = 'back\\slash'",
        "a < n",
        "seen_at > '2026-01-01'",
        "contains(a, 'x')",
        "CASE WHEN b THEN true ELSE false END",
        "a = 5",
        "missing = 'x'",
        "t.a = 'x'",
    ],
)
def test_others_are_not(condition: str) -> None:
    assert condition_in_googlesql(TABLE, condition) is None
