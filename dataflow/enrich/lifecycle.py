"""Compute a customer's lifecycle stage and score from orders and tickets.

The score is the sum of four parts, at most 100, each read from a table of bands below:
recency (days since the last order, 40), frequency (orders, 30), value (their total in the base currency, 25) and
support (tickets waiting for us, 5 without any). MEANING declares which orders count and which tickets are open.

Time enters only through bands of whole days, so a customer's row changes only on the day a band is crossed;
`expires_at` is that day. The design follows RFM analysis (Hughes 1994), with fixed bands instead of quantiles,
because a quantile changes with the orders of other customers.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

from dataflow.enrich.provider import CUSTOMERS, Enrichment, Release
from dataflow.settings import Settings
from dataflow.tables.conformed import CUSTOMER_ORDER, TICKET
from dataflow.tables.enriched import LIFECYCLE
from dataflow.tables.meaning import MEANING
from dataflow.tables.resolved import GOLDEN_CUSTOMER, XREF
from dataflow.workspace.compiled import compiled
from dataflow.workspace.relations import key_relation, relation, sql_of, widened
from dataflow.workspace.touched import CUSTOMER_KEYS
from dataflow.workspace.workspace import Workspace
from lakehouse.deferred import deferred

if TYPE_CHECKING:
    import ibis
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    ir = deferred("ibis.expr.types")

_RELEASE = Release("DataFlow lifecycle", "1")

# Upper bound in days, name of the band, points.
RECENCY = ((30, "0-30", 40), (90, "31-90", 30), (180, "91-180", 18), (365, "181-365", 8))
RECENCY_OVER = ("over", 2)
NEVER = "never"
# Lower bound, points; the first bound that is reached counts.
FREQUENCY = ((10, 30), (5, 25), (3, 20), (2, 14), (1, 8))
VALUE = ((1000, 25), (250, 18), (75, 10), (0.01, 4))
SUPPORT = ((2, 0), (1, 3), (0, 5))

# A customer is new for a quarter, unless its orders already place it in another stage.
NEW_DAYS = 90
LOYAL_ORDERS = 5
AT_RISK_DAYS = 90
LAPSED_DAYS = 365

_FOREVER = date(9999, 1, 1)


def lifecycle_sql(ws: Workspace, settings: Settings) -> str:  # noqa: ARG001 (one signature for all enrichments)
    """Return the SELECT of rows for all customers in CUSTOMERS."""
    return _rows_sql(ws.run.now.date())


@compiled
def _rows_sql(day: date) -> str:
    today = ibis.date(day)
    rows = _facts()
    recency = today.delta(rows.last_order_date, unit="day")
    age = today.delta(rows.first_order_date, unit="day")
    return sql_of(
        rows.select(
            "customer_id",
            stage=stage_of(recency, age, rows.order_count),
            score=score_of(recency, rows.order_count, rows.order_amount, rows.open_tickets).cast("float64"),
            recency_band=_recency(recency, lambda band: band[1], over=RECENCY_OVER[0], never=NEVER),
            provider=ibis.literal(_RELEASE.provider),
            provider_version=ibis.literal(_RELEASE.version),
            expires_at=_next_crossing(today, rows.last_order_date, rows.first_order_date),
        )
    )


def stage_of(recency: ir.Value, age: ir.Value, orders: ir.Value) -> ir.Value:
    """Return the stage by days since the last order, days since the first order, and number of orders."""
    return ibis.cases(
        (recency.isnull(), "lead"),
        (recency > LAPSED_DAYS, "lapsed"),
        (recency > AT_RISK_DAYS, "at_risk"),
        (orders >= LOYAL_ORDERS, "loyal"),
        (age <= NEW_DAYS, "new"),
        else_="active",
    )


def score_of(recency: ir.Value, orders: ir.Value, amount: ir.Value, open_tickets: ir.Value) -> ir.Value:
    """Return the sum of the four parts."""
    return (
        _recency(recency, lambda band: band[2], over=RECENCY_OVER[1], never=0)
        + _points(orders, FREQUENCY)
        + _points(amount, VALUE)
        + _points(open_tickets, SUPPORT)
    )


def _facts() -> ir.Table:
    """Return the counted orders and tickets of each customer."""
    keys = key_relation(CUSTOMERS, "customer_id")
    customers = relation(GOLDEN_CUSTOMER).semi_join(keys, "customer_id").select("customer_id")
    links = relation(XREF).semi_join(keys, "customer_id").select("record_id", "customer_id")
    orders = relation(CUSTOMER_ORDER)
    orders = orders.filter(MEANING.counts(orders)).join(links, "record_id")
    by_orders = orders.group_by("customer_id").agg(
        order_count=ibis._.count(),
        order_amount=ibis._.base_amount.sum(),
        first_order_date=ibis._.ordered_at.date().min(),
        last_order_date=ibis._.ordered_at.date().max(),
    )
    tickets = relation(TICKET).join(links, "record_id")
    by_tickets = tickets.group_by("customer_id").agg(open_tickets=MEANING.is_open(tickets).sum())
    rows = widened(widened(customers, by_orders, "customer_id"), by_tickets, "customer_id")
    return rows.mutate(
        order_count=rows.order_count.fill_null(0),
        order_amount=rows.order_amount.fill_null(0),
        open_tickets=rows.open_tickets.fill_null(0),
    )


def _recency(
    days: ir.Value, part: Callable[[tuple[int, str, int]], str | int], *, over: str | int, never: str | int
) -> ir.Value:
    bands = [(days <= band[0], part(band)) for band in RECENCY]
    return ibis.cases((days.isnull(), never), *bands, else_=over)


def _points(figure: ir.Value, bands: tuple[tuple[float, int], ...]) -> ir.Value:
    return ibis.cases(*[(figure >= bound, points) for bound, points in bands], else_=0)


def _next_crossing(today: ir.Value, last_order: ir.Value, first_order: ir.Value) -> ir.Value:
    """Return the first day after today on which a band is crossed without further events."""
    forever = ibis.date(_FOREVER)
    crossings = [last_order + ibis.interval(days=band[0] + 1) for band in RECENCY]
    crossings.append(first_order + ibis.interval(days=NEW_DAYS + 1))
    ahead = [ibis.ifelse(day > today, day, forever).fill_null(forever) for day in crossings]
    return ibis.least(*ahead).cast("timestamp('UTC')")


ENRICHMENT = Enrichment(
    table=LIFECYCLE,
    releases=lambda _: (_RELEASE,),
    rows=lifecycle_sql,
    follows=lambda _: f"SELECT customer_id FROM {CUSTOMER_KEYS}",
    knows_expiry=True,
)
