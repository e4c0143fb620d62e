"""Views of the warehouse, from Ibis expressions: the same source compiles for the local file and for BigQuery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.registry import Registry
from dataflow.publish.kpis import KPIS
from dataflow.tables.meaning import MEANING
from dataflow.tables.published import CUSTOMER_360, CUSTOMER_HISTORY, KPI_DAILY, ORDERS, SEGMENTS
from dataflow.workspace.relations import relation, widened
from lakehouse.deferred import deferred

if TYPE_CHECKING:
    import ibis
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    ir = deferred("ibis.expr.types")


@dataclass(frozen=True)
class View:
    """A named expression over published tables.

    `is_of_groups`: no row is about one customer, so that a role without SQL may read it. `customers` is the column with
    the number of customers in a row's group, if it has one.
    """

    name: str
    description: str
    rows: Callable[[], ir.Table]
    is_of_groups: bool = False
    customers: str = ""


def _overview() -> ir.Table:
    customers = relation(CUSTOMER_360)
    segments = (
        relation(SEGMENTS)
        .group_by("customer_id")
        .agg(segments=ibis._.segment_code.group_concat(", ", order_by=ibis._.segment_code))
    )
    chosen = customers.select(
        "customer_id",
        "entity_type",
        "full_name",
        "company_name",
        "email",
        "country_code",
        "industry_name",
        "lifecycle_stage",
        "lifecycle_score",
        "order_count",
        "order_amount",
        "last_order_at",
        "ticket_count",
        "open_ticket_count",
        "record_count",
        "confidence",
    )
    return widened(chosen, segments, "customer_id")


def _segment_sizes() -> ir.Table:
    members = relation(SEGMENTS).inner_join(
        relation(CUSTOMER_360).select("customer_id", "order_amount", "ticket_count"), "customer_id"
    )
    return members.group_by(["segment_code", "segment_name"]).agg(
        customers=ibis._.count(), order_amount=ibis._.order_amount.sum(), tickets=ibis._.ticket_count.sum()
    )


def _monthly_revenue() -> ir.Table:
    orders = relation(ORDERS)
    earning = orders.filter(MEANING.earns(orders) & orders.ordered_at.notnull())
    day = earning.ordered_at.date()
    # Not truncated: DuckDB makes a timestamp of a truncated date.
    months = earning.mutate(month=ibis.date(day.year(), day.month(), 1))
    return months.group_by("month").agg(
        orders=MEANING.is_order(months).sum(), customers=ibis._.customer_id.nunique(), revenue=ibis._.base_amount.sum()
    )


def _kpi_by_day() -> ir.Table:
    kpis = relation(KPI_DAILY)
    columns = {kpi.code: kpis.value.max(where=kpis.kpi_code == kpi.code) for kpi in KPIS.values()}
    return kpis.group_by("kpi_date").agg(**columns)


def _history_changes() -> ir.Table:
    history = relation(CUSTOMER_HISTORY)
    return (
        history.group_by("customer_id")
        .agg(states=ibis._.count(), first_known_at=ibis._.valid_from.min(), last_changed_at=ibis._.valid_from.max())
        .filter(ibis._.states > 1)
    )


VIEWS: Registry[View] = Registry(
    "view",
    (
        View("v_customer_overview", "One line for each customer, with its segments", _overview),
        View("v_segment_sizes", "Customers, order total and tickets by segment", _segment_sizes, True, "customers"),
        View(
            "v_monthly_revenue", "Orders, ordering customers and revenue by month", _monthly_revenue, True, "customers"
        ),
        View("v_kpi_by_day", "Key figures side by side, one row for each day", _kpi_by_day, True),
        View(
            "v_changed_customers", "Customers whose state has changed since they were first published", _history_changes
        ),
    ),
    name=lambda view: view.name,
)
