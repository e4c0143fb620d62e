"""A small company's records, linked: what resolve leaves behind, for tests of the stages after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from dataflow.tables.conformed import CUSTOMER_ORDER, CUSTOMER_RECORD, ORDER_ITEM, TICKET
from dataflow.tables.resolved import GOLDEN_CUSTOMER, REDIRECT, XREF
from dataflow.workspace.workspace import Workspace
from tests.lib.tables import NOW, stage_rows

Rows = dict[str, dict[str, Any]]


@dataclass
class World:
    """Customers and what they did; change it between runs and `stage` it anew."""

    links: dict[str, str] = field(default_factory=dict)
    customers: Rows = field(default_factory=dict)
    orders: Rows = field(default_factory=dict)
    items: Rows = field(default_factory=dict)
    tickets: Rows = field(default_factory=dict)
    redirects: dict[str, str | None] = field(default_factory=dict)
    records: Rows = field(default_factory=dict)

    def customer(self, customer_id: str, *, records: Iterable[str] = (), **values: Any) -> None:
        """Add or replace a customer; without records it has one of its own."""
        for record in records or (record_of(customer_id),):
            self.links[record] = customer_id
        known = {"entity_type": "person", "first_seen_at": NOW, "sources": ["mysql"], "confidence": 1.0}
        self.customers[customer_id] = {**known, **self.customers.get(customer_id, {}), **values}

    def order(self, order_id: str, record: str, at: datetime, amount: int | Decimal, **values: Any) -> None:
        kept = {"record_id": record, "ordered_at": at, "amount": amount, "base_amount": amount, "status": "paid"}
        self.orders[order_id] = {**kept, "currency_code": "USD", **values}

    def item(self, item_id: str, order_id: str, category: str, quantity: int = 1) -> None:
        self.items[item_id] = {"order_id": order_id, "product_category": category, "quantity": quantity}

    def ticket(self, ticket_id: str, record: str, at: datetime, **values: Any) -> None:
        kept = {"record_id": record, "opened_at": at, "status": "open", "priority": "normal"}
        self.tickets[ticket_id] = {**kept, **values}

    def merge(self, loser: str, winner: str) -> None:
        """Move all records of one customer to another and leave a redirect."""
        self.links = {record: winner if owner == loser else owner for record, owner in self.links.items()}
        self.remove_if_empty(loser, winner)

    def remove_if_empty(self, customer_id: str, successor: str | None) -> None:
        if customer_id not in self.links.values():
            del self.customers[customer_id]
            self.redirects[customer_id] = successor

    def stage(self, ws: Workspace) -> None:
        """Stage conformed and resolved tables as this world is now."""
        known = [{"record_id": r, "entity_type": "person", **self.records.get(r, {})} for r in self.links]
        stage_rows(ws, CUSTOMER_RECORD, known)
        stage_rows(ws, CUSTOMER_ORDER, _with_key("order_id", self.orders))
        stage_rows(ws, ORDER_ITEM, _with_key("order_item_id", self.items))
        stage_rows(ws, TICKET, _with_key("ticket_id", self.tickets))
        stage_rows(ws, XREF, [self._link(record, owner) for record, owner in self.links.items()])
        counts = {c: list(self.links.values()).count(c) for c in self.customers}
        golden = [{"customer_id": c, "record_count": counts[c], **values} for c, values in self.customers.items()]
        stage_rows(ws, GOLDEN_CUSTOMER, golden)
        gone = [{"customer_id": old, "to_customer_id": new} for old, new in self.redirects.items()]
        stage_rows(ws, REDIRECT, gone)

    def _link(self, record: str, owner: str) -> Mapping[str, Any]:
        return {"record_id": record, "customer_id": owner, "entity_type": "person", "confidence": 1.0}


def record_of(customer_id: str) -> str:
    return f"mysql|customers|{customer_id}"


def _with_key(key: str, rows: Rows) -> list[dict[str, Any]]:
    return [{key: name, **row} for name, row in rows.items()]
