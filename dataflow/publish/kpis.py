"""Declare the key figures, by day (UTC). Each entry of KPIS is one figure.

MEANING declares which orders count and which earn. Waiting times count on the day of opening.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.registry import Registry, unknown_name
from dataflow.errors import ConfigurationError
from dataflow.tables.meaning import MEANING
from dataflow.tables.published import CUSTOMER_360, KPI_UNITS, ORDERS, TICKETS
from lakehouse.deferred import deferred
from lakehouse.table import Table

if TYPE_CHECKING:
    from ibis.expr import types as ir
else:
    ir = deferred("ibis.expr.types")

_ACTIVE_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class Kpi:
    """One figure: `value` over the rows of `table` whose `timestamp` falls on the day and for which `where` holds.

    `meaning` says what the figure counts and what it leaves out. `days`: a row counts on its own day and on the
    following ones, this many in all. `empty` is the figure of a day without rows; None leaves the day out (the average
    of no rows is undefined).
    """

    code: str
    name: str
    meaning: str
    unit: str
    table: Table
    timestamp: str
    value: Callable[[ir.Table], ir.Value]
    where: Callable[[ir.Table], ir.Value] | None = None
    days: int = 1
    empty: float | None = None

    def __post_init__(self) -> None:
        if self.timestamp not in self.table.column_names:
            raise ConfigurationError(
                f"Key figure {self.code}: {unknown_name('column', self.timestamp, self.table.column_names)}"
            )
        if self.unit not in KPI_UNITS:
            raise ConfigurationError(f"Key figure {self.code}: {unknown_name('unit', self.unit, KPI_UNITS)}")

    @property
    def adds_up(self) -> bool:
        """Return whether a sum over days is meaningful."""
        return self.empty is not None and self.days == 1


def _count(rows: ir.Table) -> ir.Value:
    return rows.count()


KPIS: Registry[Kpi] = Registry(
    "key figure",
    (
        Kpi(
            code="orders",
            name="Orders",
            meaning="Orders placed on the day, cancelled ones left out",
            unit="count",
            table=ORDERS,
            timestamp="ordered_at",
            value=_count,
            where=MEANING.counts,
            empty=0,
        ),
        Kpi(
            code="revenue",
            name="Revenue",
            meaning="Total of the orders placed on the day that earn, neither cancelled nor refunded, less refunds",
            unit="base currency",
            table=ORDERS,
            timestamp="ordered_at",
            value=lambda rows: rows.base_amount.sum(),
            where=MEANING.earns,
            empty=0,
        ),
        Kpi(
            code="average_order_value",
            name="Average order value",
            meaning="Total by earning order with a known amount; refunds are left out",
            unit="base currency",
            table=ORDERS,
            timestamp="ordered_at",
            value=lambda rows: rows.base_amount.sum().cast("float64") / rows.base_amount.count(),
            where=lambda rows: MEANING.earns(rows) & MEANING.is_order(rows),
        ),
        Kpi(
            code="cancelled_order_share",
            name="Cancelled share of orders",
            meaning="Cancelled orders by all orders placed on the day",
            unit="share",
            table=ORDERS,
            timestamp="ordered_at",
            value=lambda rows: MEANING.is_cancelled(rows).sum() / rows.count(),
            where=MEANING.is_order,
        ),
        Kpi(
            code="active_customers_30d",
            name="Active customers, 30 days",
            meaning=f"Different customers with an order that counts in the {_ACTIVE_DAYS} days that end with the day",
            unit="count",
            table=ORDERS,
            timestamp="ordered_at",
            value=lambda rows: rows.customer_id.nunique(),
            where=MEANING.counts,
            days=_ACTIVE_DAYS,
            empty=0,
        ),
        Kpi(
            code="new_customers",
            name="New customers",
            meaning="Customers whose oldest record was made on the day",
            unit="count",
            table=CUSTOMER_360,
            timestamp="first_seen_at",
            value=_count,
            empty=0,
        ),
        Kpi(
            code="first_orders",
            name="First-time buyers",
            meaning="Customers whose first order was placed on the day",
            unit="count",
            table=CUSTOMER_360,
            timestamp="first_order_at",
            value=_count,
            empty=0,
        ),
        Kpi(
            code="tickets_opened",
            name="Tickets opened",
            meaning="Tickets opened on the day",
            unit="count",
            table=TICKETS,
            timestamp="opened_at",
            value=_count,
            empty=0,
        ),
        Kpi(
            code="tickets_closed",
            name="Tickets closed",
            meaning="Tickets closed on the day",
            unit="count",
            table=TICKETS,
            timestamp="closed_at",
            value=_count,
            empty=0,
        ),
        Kpi(
            code="urgent_ticket_share",
            name="Urgent share of tickets",
            meaning="Urgent tickets by all tickets opened on the day",
            unit="share",
            table=TICKETS,
            timestamp="opened_at",
            value=lambda rows: MEANING.is_urgent(rows).sum() / rows.count(),
        ),
        Kpi(
            code="median_first_response_hours",
            name="Median first response",
            meaning="Median hours to the first answer, of the tickets opened on the day that have one",
            unit="hours",
            table=TICKETS,
            timestamp="opened_at",
            value=lambda rows: rows.first_response_hours.median(),
            where=lambda rows: rows.first_response_hours.notnull(),
        ),
    ),
    name=lambda kpi: kpi.code,
)
