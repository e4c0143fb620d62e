"""Mark the customers, orders and tickets that a run touched, so that later stages compute only those.

A record that moved touches two customers: its new one and its former one. The former one is known only from the
crosswalk at the base snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable

from dataflow.tables.conformed import CUSTOMER_ORDER, ORDER_ITEM, TICKET
from dataflow.tables.resolved import GOLDEN_CUSTOMER, XREF
from dataflow.workspace.workspace import Workspace
from lakehouse.query import fetch_int
from lakehouse.table import Table

ORDER_KEYS = "touched_order"
TICKET_KEYS = "touched_ticket"
RECORD_KEYS = "touched_record"
CUSTOMER_KEYS = "touched_customer"
EVERYTHING = "touched_everything"


def mark_touched(ws: Workspace, *, enriched: Iterable[Table] = (), everything: bool = False) -> None:
    """Fill touched_record, touched_order, touched_ticket and touched_customer, which parallel builders share.

    `enriched`: tables by customer whose changes count as well. `everything` marks all present and former keys; the
    table touched_everything has that flag, for builders with other keys.
    """
    _mark(ws, EVERYTHING, f"SELECT {everything} AS everything")
    _mark(ws, RECORD_KEYS, _all_keys(ws, XREF) if everything else f"SELECT record_id FROM ({ws.changed(XREF)})")
    _mark(ws, ORDER_KEYS, _all_keys(ws, CUSTOMER_ORDER) if everything else _orders(ws))
    _mark(ws, TICKET_KEYS, _all_keys(ws, TICKET) if everything else _tickets(ws))
    _mark(ws, CUSTOMER_KEYS, _all_customers(ws) if everything else _customers(ws, enriched))


def count_keys(ws: Workspace, keys: str) -> int:
    return fetch_int(ws.con, f"SELECT count(*) FROM {keys}")


def _mark(ws: Workspace, name: str, keys: str) -> None:
    ws.con.execute(f"CREATE OR REPLACE TABLE work.main.{name} AS SELECT DISTINCT * FROM ({keys})")


def _all_keys(ws: Workspace, table: Table) -> str:
    key = table.key[0]
    return f"SELECT {key} FROM {table.sql_name} UNION SELECT {key} FROM {ws.before(table)}"


def _all_customers(ws: Workspace) -> str:
    tables = (GOLDEN_CUSTOMER.sql_name, XREF.sql_name, ws.before(GOLDEN_CUSTOMER), ws.before(XREF))
    return " UNION ".join(f"SELECT customer_id FROM {table}" for table in tables)


def _orders(ws: Workspace) -> str:
    changed_items = f"SELECT order_item_id FROM ({ws.changed(ORDER_ITEM)})"
    return f"""
        SELECT order_id FROM ({ws.changed(CUSTOMER_ORDER)})
        UNION
        SELECT order_id FROM {ORDER_ITEM.sql_name} WHERE order_item_id IN ({changed_items}) AND order_id IS NOT NULL
        UNION
        SELECT order_id FROM {ws.before(ORDER_ITEM)} WHERE order_item_id IN ({changed_items}) AND order_id IS NOT NULL
        UNION
        SELECT order_id FROM {CUSTOMER_ORDER.sql_name} WHERE record_id IN (SELECT record_id FROM {RECORD_KEYS})
    """


def _tickets(ws: Workspace) -> str:
    return f"""
        SELECT ticket_id FROM ({ws.changed(TICKET)})
        UNION
        SELECT ticket_id FROM {TICKET.sql_name} WHERE record_id IN (SELECT record_id FROM {RECORD_KEYS})
    """


def _customers(ws: Workspace, enriched: Iterable[Table]) -> str:
    by_customer = (GOLDEN_CUSTOMER, *enriched)
    changed = " UNION ".join(f"SELECT customer_id FROM ({ws.changed(table)})" for table in by_customer)
    records = f"""
        SELECT record_id FROM {RECORD_KEYS}
        UNION SELECT record_id FROM {CUSTOMER_ORDER.sql_name} SEMI JOIN {ORDER_KEYS} USING (order_id)
        UNION SELECT record_id FROM {ws.before(CUSTOMER_ORDER)} SEMI JOIN {ORDER_KEYS} USING (order_id)
        UNION SELECT record_id FROM {TICKET.sql_name} SEMI JOIN {TICKET_KEYS} USING (ticket_id)
        UNION SELECT record_id FROM {ws.before(TICKET)} SEMI JOIN {TICKET_KEYS} USING (ticket_id)
    """
    return f"""
        WITH records AS ({records})
        {changed}
        UNION SELECT customer_id FROM {XREF.sql_name} SEMI JOIN records USING (record_id)
        UNION SELECT customer_id FROM {ws.before(XREF)} SEMI JOIN records USING (record_id)
    """
