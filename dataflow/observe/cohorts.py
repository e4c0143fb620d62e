"""Read retention: of the customers whose first order was in a month, how many ordered again in each later month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import duckdb

from dataflow.tables.meaning import MEANING
from dataflow.tables.published import ORDERS

MONTHS = 12
"""Months of first orders that are shown, and months after."""


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """The customers of one month of first orders; `kept` has, by months since, how many ordered again."""

    month: date
    customers: int
    kept: tuple[int | None, ...]
    """None for a month that has not come yet."""


def read_cohorts(con: duckdb.DuckDBPyConnection) -> list[Cohort]:
    """Return the last cohorts, oldest first; months are those of UTC, cancelled orders and refunds do not count."""
    rows = con.execute(f"""
        WITH active AS (
            SELECT DISTINCT customer_id, date_trunc('month', ordered_at)::DATE AS month FROM {ORDERS.sql_name}
            WHERE customer_id IS NOT NULL AND ordered_at IS NOT NULL AND {MEANING.counts_sql()}
        ),
        first AS (SELECT customer_id, min(month) AS cohort FROM active GROUP BY customer_id),
        newest AS (SELECT max(month) AS month FROM active)
        SELECT cohort, date_diff('month', cohort, active.month) AS later, count(*),
            date_diff('month', cohort, newest.month) AS past
        FROM first JOIN active USING (customer_id) CROSS JOIN newest
        WHERE date_diff('month', cohort, newest.month) < {MONTHS}
        GROUP BY cohort, later, past ORDER BY ALL
    """).fetchall()
    counts: dict[date, dict[int, int]] = {}
    past: dict[date, int] = {}
    for cohort, later, count, months in rows:
        counts.setdefault(cohort, {})[later] = count
        past[cohort] = months
    return [
        Cohort(
            month=cohort,
            customers=found[0],
            kept=tuple(found.get(later, 0) if later <= past[cohort] else None for later in range(1, MONTHS)),
        )
        for cohort, found in counts.items()
    ]
