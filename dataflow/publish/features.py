"""Build published.customer_features: what was known of a customer on the first day of a month, to train models.

A row uses only events before its day, so a later event never changes it. Two consequences: orders count whether or not
they were cancelled later, because the time of a cancellation is unknown; a ticket's resolution counts from the day it
was closed. Refunds that are rows of their own are not orders.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from dataflow.publish.builder import Builder
from dataflow.tables import published
from dataflow.tables.meaning import MEANING
from dataflow.workspace.compiled import compiled
from dataflow.workspace.relations import key_relation, relation, shaped, sql_of, widened
from dataflow.workspace.touched import CUSTOMER_KEYS
from dataflow.workspace.workspace import Workspace
from lakehouse.deferred import deferred

if TYPE_CHECKING:
    import ibis
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    ir = deferred("ibis.expr.types")

# Twelve months cover a yearly pattern; older rows leave the table.
_MONTHS = 12
_SECONDS_PER_HOUR = 3600


def feature_days(today: date) -> list[date]:
    """List the first days of the last twelve months, the current one included, oldest first."""
    months = [today.year * 12 + today.month - 1 - back for back in reversed(range(_MONTHS))]
    return [date(month // 12, month % 12 + 1, 1) for month in months]


def features_sql(ws: Workspace) -> str:
    """Return the SELECT of one row per touched customer and feature day after its first order or ticket.

    The first run of a month touches every customer, because each gets a row.
    """
    ws.con.execute(f"CREATE OR REPLACE TEMP TABLE {_KEYS} AS {_touched_customers(ws)}")
    return _rows_sql(ws.run.now.date())


@compiled
def _rows_sql(today: date) -> str:
    spine = _spine(feature_days(today))
    keys = ["customer_id", "feature_date"]
    orders, tickets = _order_features(spine), _ticket_features(spine)
    rows = widened(widened(spine, orders, *keys), tickets, *keys)
    first_seen = rows.first_seen_at.date()
    tenure = rows.feature_date.delta(first_seen, unit="day")
    counts = {name: rows[name].fill_null(0) for name in _COUNTS}
    return sql_of(
        shaped(
            published.CUSTOMER_FEATURES,
            rows.mutate(
                tenure_days=ibis.ifelse(first_seen < rows.feature_date, tenure, ibis.null()),
                recency_days=rows.feature_date.delta(rows.last_order_at.date(), unit="day"),
                **counts,
            ),
        )
    )


_KEYS = "feature_customer"
_COUNTS = (
    "order_count_30d",
    "order_count_90d",
    "order_count_365d",
    "order_amount_90d",
    "order_amount_365d",
    "category_count",
    "ticket_count_90d",
    "urgent_ticket_count_365d",
)


def _touched_customers(ws: Workspace) -> str:
    before = ws.before(published.CUSTOMER_FEATURES)
    newest = ws.con.execute(f"SELECT max(feature_date) FROM {before}").fetchall()[0][0]
    if newest is None or newest == feature_days(ws.run.now.date())[-1]:
        return f"SELECT customer_id FROM {CUSTOMER_KEYS}"
    return f"SELECT customer_id FROM {published.CUSTOMER_360.sql_name} UNION SELECT customer_id FROM {before}"


def _spine(days: list[date]) -> ir.Table:
    customers = _touched(relation(published.CUSTOMER_360)).select("customer_id", "first_seen_at")
    first = _events().group_by("customer_id").agg(first_event_at=ibis._.event_at.min())
    known = customers.join(first, "customer_id")
    every = known.mutate(feature_date=ibis.array([ibis.date(day) for day in days]).unnest())
    return every.filter(every.first_event_at < _midnight(every.feature_date)).drop("first_event_at")


def _events() -> ir.Table:
    orders = _orders()
    tickets = _touched(relation(published.TICKETS))
    return orders.select("customer_id", event_at=orders.ordered_at).union(
        tickets.select("customer_id", event_at=tickets.opened_at)
    )


def _orders() -> ir.Table:
    orders = _touched(relation(published.ORDERS))
    return orders.filter(MEANING.is_order(orders))


def _order_features(spine: ir.Table) -> ir.Table:
    orders = _orders().select("customer_id", "ordered_at", "base_amount", "categories")
    seen = spine.join(orders, "customer_id")
    seen = seen.filter(seen.ordered_at < _midnight(seen.feature_date))
    age = _age_days(seen.ordered_at, seen.feature_date)
    return seen.group_by(["customer_id", "feature_date"]).agg(
        last_order_at=seen.ordered_at.max(),
        order_count_30d=(age <= 30).sum(),
        order_count_90d=(age <= 90).sum(),
        order_count_365d=(age <= 365).sum(),
        order_amount_90d=seen.base_amount.sum(where=age <= 90),
        order_amount_365d=seen.base_amount.sum(where=age <= 365),
        average_order_amount=seen.base_amount.sum().cast("float64") / seen.base_amount.count(),
        category_count=seen.categories.collect().flatten().unique().length(),
    )


def _ticket_features(spine: ir.Table) -> ir.Table:
    tickets = _touched(relation(published.TICKETS)).select("customer_id", "opened_at", "closed_at", "priority")
    seen = spine.join(tickets, "customer_id")
    seen = seen.filter(seen.opened_at < _midnight(seen.feature_date))
    age = _age_days(seen.opened_at, seen.feature_date)
    closed = seen.closed_at < _midnight(seen.feature_date)
    # Whole seconds add up exactly; sums of fractional hours depend on the order of rows.
    seconds = seen.closed_at.delta(seen.opened_at, unit="second")
    return seen.group_by(["customer_id", "feature_date"]).agg(
        ticket_count_90d=(age <= 90).sum(),
        urgent_ticket_count_365d=((age <= 365) & MEANING.is_urgent(seen)).sum(),
        mean_resolution_hours=seconds.sum(where=closed) / seconds.count(where=closed) / _SECONDS_PER_HOUR,
    )


def _age_days(event_at: ir.Value, day: ir.Value) -> ir.Value:
    """Return the days from the event's day to the feature day: 1 for the day before."""
    return day.delta(event_at.date(), unit="day")


def _midnight(day: ir.Value) -> ir.Value:
    return day.cast("timestamp('UTC')")


def _touched(rows: ir.Table) -> ir.Table:
    return rows.semi_join(key_relation(_KEYS, "customer_id"), "customer_id")


FEATURES = Builder(
    table=published.CUSTOMER_FEATURES,
    sql=features_sql,
    scope=f"SELECT customer_id FROM {_KEYS}",
)
