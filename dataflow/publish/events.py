"""Build published.orders and published.tickets, with the customer in place of the source record."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dataflow.publish.builder import Builder
from dataflow.tables import conformed, published, resolved
from dataflow.workspace.relations import key_relation, relation, widened
from dataflow.workspace.touched import ORDER_KEYS, TICKET_KEYS
from dataflow.workspace.workspace import Workspace
from lakehouse.deferred import deferred
from lakehouse.table import Table

if TYPE_CHECKING:
    import ibis
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    ir = deferred("ibis.expr.types")

_SECONDS_PER_HOUR = 3600


def order_rows() -> ir.Table:
    """Return one row for each touched order, with its lines counted."""
    touched = key_relation(ORDER_KEYS, "order_id")
    orders = _with_customer(relation(conformed.CUSTOMER_ORDER).semi_join(touched, "order_id"))
    lines = relation(conformed.ORDER_ITEM).semi_join(touched, "order_id").group_by("order_id")
    totals = lines.agg(
        item_count=ibis._.count(),
        piece_count=ibis._.quantity.sum(),
        categories=ibis._.product_category.collect(distinct=True).sort(),
    )
    joined = widened(orders, totals, "order_id")
    nothing = ibis.literal([], type="array<string>")
    return joined.mutate(
        item_count=joined.item_count.fill_null(0),
        piece_count=joined.piece_count.fill_null(0),
        categories=ibis.coalesce(joined.categories, nothing),
    )


def ticket_rows() -> ir.Table:
    """Return one row for each touched ticket, with its waiting times."""
    tickets = _with_customer(relation(conformed.TICKET).semi_join(key_relation(TICKET_KEYS, "ticket_id"), "ticket_id"))
    return tickets.mutate(
        first_response_hours=_hours(tickets.opened_at, tickets.first_response_at),
        resolution_hours=_hours(tickets.opened_at, tickets.closed_at),
    )


def _with_customer(rows: ir.Table) -> ir.Table:
    links = relation(resolved.XREF).select("record_id", "customer_id")
    return widened(rows, links, "record_id")


def _without_customer(ws: Workspace, *, rows: Table, keys: str, noun: str) -> list[str]:
    """Describe by object the touched rows that are published without a customer: the figures of customers lack them."""
    key = rows.key[0]
    found = ws.con.execute(f"""
        SELECT r._source || '.' || r._object AS subject, count(r.record_id), count(*) - count(r.record_id)
        FROM {rows.sql_name} r SEMI JOIN {keys} USING ({key})
        ANTI JOIN {resolved.XREF.sql_name} x ON x.record_id = r.record_id
        GROUP BY 1 ORDER BY 1
    """).fetchall()
    return [
        f"{count:,} {noun} of {subject} have no customer: {reason}"
        for subject, unknown, unnamed in found
        for count, reason in (
            (unknown, "the record they name is not among the customer records"),
            (unnamed, "they name none"),
        )
        if count
    ]


def _hours(start: ir.Value, end: ir.Value) -> ir.Value:
    # Whole seconds: their sum is exact in any order.
    return end.delta(start, unit="second") / _SECONDS_PER_HOUR


ORDERS = Builder(
    table=published.ORDERS,
    expression=order_rows,
    scope=f"SELECT order_id FROM {ORDER_KEYS}",
    source=f"SELECT order_id FROM conformed.customer_order SEMI JOIN {ORDER_KEYS} USING (order_id)",
    notes=partial(_without_customer, rows=conformed.CUSTOMER_ORDER, keys=ORDER_KEYS, noun="orders"),
)
TICKETS = Builder(
    table=published.TICKETS,
    expression=ticket_rows,
    scope=f"SELECT ticket_id FROM {TICKET_KEYS}",
    source=f"SELECT ticket_id FROM conformed.ticket SEMI JOIN {TICKET_KEYS} USING (ticket_id)",
    notes=partial(_without_customer, rows=conformed.TICKET, keys=TICKET_KEYS, noun="tickets"),
)
