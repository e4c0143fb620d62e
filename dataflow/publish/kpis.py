"""Declare the key figures, by day (UTC). Each entry of KPIS is one figure.

MEANING declares which orders count and which earn. Waiting times count on the day of opening.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ibis.expr import types as ir

from dataflow.tables.meaning import MEANING
from dataflow.tables.published import CUSTOMER_360, ORDERS, TICKETS
from lakehouse.table import Table

_ACTIVE_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class Kpi:
    """One figure: `value` over the rows of `table` whose `moment` falls on the day and for which `where` holds.

    `days`: a row counts on its own day and on the following ones, this many in all. `empty` is the figure of a day
    without rows; None leaves the day out (the average of no rows is undefined).
    """

    code: str
    name: str
    unit: str
    table: Table
    moment: str
    value: Callable[[ir.Table], ir.Value]
    where: Callable[[ir.Table], ir.Value] | None = None
    days: int = 1
    empty: float | None = None

    @property
    def adds_up(self) -> bool:
        """Return whether a sum over days is meaningful."""
        return self.empty is not None and self.days == 1


def _count(rows: ir.Table) -> ir.Value:
    return rows.count()


KPIS = (
    Kpi(
        code="orders",
        name="Orders",
        unit="count",
        table=ORDERS,
        moment="ordered_at",
        value=_count,
        where=MEANING.counts,
        empty=0,
    ),
    Kpi(
        code="revenue",
        name="Revenue",
        unit="base currency",
        table=ORDERS,
        moment="ordered_at",
        value=lambda rows: rows.base_amount.sum(),
        where=MEANING.earns,
        empty=0,
    ),
    Kpi(
        code="average_order_value",
        name="Average order value",
        unit="base currency",
        table=ORDERS,
        moment="ordered_at",
        value=lambda rows: rows.base_amount.sum().cast("float64") / rows.base_amount.count(),
        where=MEANING.earns,
    ),
    Kpi(
        code="cancelled_order_share",
        name="Cancelled share of orders",
        unit="share",
        table=ORDERS,
        moment="ordered_at",
        value=lambda rows: (~MEANING.counts(rows)).sum() / rows.count(),
    ),
    Kpi(
        code="active_customers_30d",
        name="Active customers, 30 days",
        unit="count",
        table=ORDERS,
        moment="ordered_at",
        value=lambda rows: rows.customer_id.nunique(),
        where=MEANING.counts,
        days=_ACTIVE_DAYS,
        empty=0,
    ),
    Kpi(
        code="new_customers",
        name="New customers",
        unit="count",
        table=CUSTOMER_360,
        moment="first_seen_at",
        value=_count,
        empty=0,
    ),
    Kpi(
        code="first_orders",
        name="First-time buyers",
        unit="count",
        table=CUSTOMER_360,
        moment="first_order_at",
        value=_count,
        empty=0,
    ),
    Kpi(
        code="tickets_opened",
        name="Tickets opened",
        unit="count",
        table=TICKETS,
        moment="opened_at",
        value=_count,
        empty=0,
    ),
    Kpi(
        code="tickets_closed",
        name="Tickets closed",
        unit="count",
        table=TICKETS,
        moment="closed_at",
        value=_count,
        empty=0,
    ),
    Kpi(
        code="urgent_ticket_share",
        name="Urgent share of tickets",
        unit="share",
        table=TICKETS,
        moment="opened_at",
        value=lambda rows: MEANING.is_urgent(rows).sum() / rows.count(),
    ),
    Kpi(
        code="median_first_response_hours",
        name="Median first response",
        unit="hours",
        table=TICKETS,
        moment="opened_at",
        value=lambda rows: rows.first_response_hours.median(),
        where=lambda rows: rows.first_response_hours.notnull(),
    ),
)
