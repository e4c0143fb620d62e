"""Retention by month of the first order."""

from __future__ import annotations

from datetime import date

from dataflow.observe.cohorts import MONTHS, read_cohorts
from lakehouse.connect import connect

ROWS = (
    ("a", "2026-01-31 23:59:59+00", "delivered"),
    ("a", "2026-03-01 00:00:00+00", "delivered"),
    ("a", "2026-03-09 00:00:00+00", "delivered"),
    ("b", "2026-01-10 00:00:00+00", None),
    ("b", "2026-02-10 00:00:00+00", "cancelled"),
    ("c", "2026-02-10 00:00:00+00", "delivered"),
    ("d", "2026-02-11 00:00:00+00", "refund"),
    (None, "2026-01-10 00:00:00+00", "delivered"),
    ("e", None, "delivered"),
    ("old", "2024-01-10 00:00:00+00", "delivered"),
    ("old", "2026-03-10 00:00:00+00", "delivered"),
)


def test_customers_are_counted_by_the_months_in_which_they_order_again() -> None:
    with connect() as con:
        con.execute("CREATE SCHEMA published")
        con.execute("CREATE TABLE published.orders (customer_id VARCHAR, ordered_at TIMESTAMPTZ, status VARCHAR)")
        assert read_cohorts(con) == []
        con.executemany("INSERT INTO published.orders VALUES (?, ?, ?)", ROWS)
        january, february = read_cohorts(con)
    rest = (None,) * (MONTHS - 3)
    assert (january.month, january.customers, january.kept) == (date(2026, 1, 1), 2, (0, 1, *rest))
    assert (february.month, february.customers, february.kept) == (date(2026, 2, 1), 1, (0, None, *rest))
