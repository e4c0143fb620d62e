"""Build published.customer_360: one row with everything known about a customer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.publish.builder import Builder
from dataflow.tables import enriched, published, resolved
from dataflow.tables.meaning import MEANING
from dataflow.vocabulary.streets import NUMBER_FIRST
from dataflow.workspace.relations import key_relation, relation, widened
from dataflow.workspace.touched import CUSTOMER_KEYS
from lakehouse.deferred import deferred
from lakehouse.table import Table

if TYPE_CHECKING:
    import ibis
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    ir = deferred("ibis.expr.types")


def customer_rows() -> ir.Table:
    """Return one row for each touched customer that has a golden record."""
    golden = _touched(relation(resolved.GOLDEN_CUSTOMER))
    rows = golden
    for table, columns in _ENRICHED:
        rows = widened(rows, _renamed(table, columns), "customer_id")
    rows = widened(widened(rows, _order_totals(), "customer_id"), _ticket_totals(), "customer_id")
    return rows.mutate(**_merged(rows))


_ENRICHED: tuple[tuple[Table, dict[str, str]], ...] = (
    (
        enriched.GEOGRAPHY,
        {
            "country_code": "geo_country_code",
            "region": "geo_region",
            "city": "geo_city",
            "latitude": "latitude",
            "longitude": "longitude",
            "time_zone": "time_zone",
        },
    ),
    (
        enriched.FIRMOGRAPHICS,
        {"employee_count": "firm_employee_count", "annual_revenue_usd": "annual_revenue_usd"},
    ),
    (enriched.INDUSTRY, {"industry_code": "industry_code", "industry_name": "industry_name"}),
    (enriched.LIFECYCLE, {"stage": "lifecycle_stage", "score": "lifecycle_score"}),
)


def _merged(rows: ir.Table) -> dict[str, ir.Value]:
    """Prefer a source's value over a provider's, except for head counts, where providers are more current."""
    return {
        "street": street_line(rows.street, rows.house_number, rows.country_code),
        "city": ibis.coalesce(rows.city, rows.geo_city),
        "region": ibis.coalesce(rows.region, rows.geo_region),
        "country_code": ibis.coalesce(rows.country_code, rows.geo_country_code),
        "employee_count": ibis.coalesce(rows.firm_employee_count, rows.employee_count),
        "order_count": rows.order_count.fill_null(0),
        "order_amount": rows.order_amount.fill_null(0),
        "ticket_count": rows.ticket_count.fill_null(0),
        "open_ticket_count": rows.open_ticket_count.fill_null(0),
    }


def street_line(street: ir.Value, number: ir.Value, country_code: ir.Value) -> ir.Value:
    """Return street and house number in the order of the country; null where there is neither."""
    name, house = street.fill_null(""), number.fill_null("")
    is_first = country_code.fill_null("").lower().isin(list(NUMBER_FIRST))
    return ibis.ifelse(is_first, house + " " + name, name + " " + house).strip().nullif("")


def _order_totals() -> ir.Table:
    orders = _touched(relation(published.ORDERS))
    return (
        orders.filter(MEANING.counts(orders))
        .group_by("customer_id")
        .agg(
            order_count=ibis._.count(),
            order_amount=ibis._.base_amount.sum(),
            first_order_at=ibis._.ordered_at.min(),
            last_order_at=ibis._.ordered_at.max(),
        )
    )


def _ticket_totals() -> ir.Table:
    tickets = _touched(relation(published.TICKETS))
    return tickets.group_by("customer_id").agg(
        ticket_count=ibis._.count(),
        open_ticket_count=MEANING.is_open(tickets).sum(),
        last_ticket_at=ibis._.opened_at.max(),
    )


def _touched(rows: ir.Table) -> ir.Table:
    return rows.semi_join(key_relation(CUSTOMER_KEYS, "customer_id"), "customer_id")


def _renamed(table: Table, columns: dict[str, str]) -> ir.Table:
    rows = _touched(relation(table))
    return rows.select("customer_id", **{new: rows[old] for old, new in columns.items()})


CUSTOMER_360 = Builder(
    table=published.CUSTOMER_360,
    expression=customer_rows,
    scope=f"SELECT customer_id FROM {CUSTOMER_KEYS}",
    source=f"SELECT customer_id FROM resolved.golden_customer SEMI JOIN {CUSTOMER_KEYS} USING (customer_id)",
)
