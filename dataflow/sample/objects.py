"""Declare the source objects: folder, key and cursor of each."""

from __future__ import annotations

from dataclasses import dataclass

Key = tuple[str, str]


@dataclass(frozen=True)
class SourceObject:
    """`deleted` names the soft-delete column; Salesforce has none, it reports deletions separately."""

    source: str
    name: str
    folder: str
    key: str
    cursor: str
    created: str | None
    deleted: str | None = None
    describes_customer: bool = False


_ALL = (
    SourceObject("salesforce", "account", "salesforce/Account", "Id", "SystemModstamp", "CreatedDate", None, True),
    SourceObject("salesforce", "contact", "salesforce/Contact", "Id", "SystemModstamp", "CreatedDate", None, True),
    SourceObject("salesforce", "lead", "salesforce/Lead", "Id", "SystemModstamp", "CreatedDate", None, True),
    SourceObject("mysql", "customers", "mysql/customers", "id", "updated_at", "created_at", "deleted_at", True),
    SourceObject("mysql", "addresses", "mysql/addresses", "id", "updated_at", "created_at", "deleted_at"),
    SourceObject("mysql", "orders", "mysql/orders", "id", "updated_at", "ordered_at", "deleted_at"),
    SourceObject("mysql", "order_items", "mysql/order_items", "id", "updated_at", None, "deleted_at"),
    SourceObject("tickets", "ticket", "tickets", "ticket_id", "updated_at", "opened_at", None, True),
)

OBJECTS: dict[Key, SourceObject] = {(each.source, each.name): each for each in _ALL}
