"""Propose mappings to the conformed model: customers, orders, their lines, tickets and their requesters."""

from __future__ import annotations

import re
from collections import Counter

from dataflow.observe.discover.customers import propose_customer
from dataflow.observe.discover.proposal import Field, Mapping, quoted
from dataflow.observe.discover.roles import (
    AMOUNT,
    DISCOUNT,
    NAME,
    PRICE,
    QUANTITY,
    Roles,
    Table,
)
from dataflow.sources.found import FoundColumn
from dataflow.tables.meaning import MEANING

_TICKET_TEXTS = {
    "subject": r"subject|title|summary|betreff",
    "category": r"categor|\btype\b|kategorie|thema",
    "channel": r"channel|\bvia\b|kanal|source|origin",
}
_SYNONYMS = {
    "new": "placed", "open": "placed", "pending": "placed", "created": "placed", "invoiced": "placed",
    "in process": "placed", "processing": "placed", "complete": "delivered", "completed": "delivered",
    "closed": "delivered", "done": "delivered", "sent": "shipped", "canceled": "cancelled", "void": "cancelled",
    "neu": "placed", "offen": "placed", "bezahlt": "paid", "versandt": "shipped", "geliefert": "delivered",
    "storniert": "cancelled", "closed won": "paid", "closed lost": "cancelled", "prospecting": "placed",
}  # fmt: skip
_TICKET_SYNONYMS = {
    "new": "open", "offen": "open", "neu": "open", "in progress": "open", "working": "open", "escalated": "open",
    "hold": "pending", "on hold": "pending", "waiting": "pending", "wartend": "pending", "resolved": "solved",
    "done": "solved", "gelöst": "solved", "erledigt": "solved", "geschlossen": "closed", "completed": "closed",
    "medium": "normal", "mittel": "normal", "niedrig": "low", "hoch": "high", "dringend": "urgent",
    "critical": "urgent",
}  # fmt: skip


def propose_mappings(roles: Roles, source: str) -> list[Mapping]:
    """Propose the mappings of all roles."""
    made = [propose_customer(one, roles, source) for one in roles.customers]
    if roles.orders:
        made.append(_order(roles.orders, roles, source))
    if roles.lines and roles.orders:
        made.append(_line(roles.lines, roles.orders, roles, source))
    for ticket in roles.tickets:
        made += _ticket(ticket, roles, source)
    return [one for one in made if one.fields]


def _customer_link(table: Table, roles: Roles, source: str) -> Field | None:
    for customer in roles.customers:
        if link := table.link_to(customer.name):
            return Field(f'{{ record = "{source}.{customer.name}", key = {quoted(link.column)} }}', link.evidence)
    return None


def _order(table: Table, roles: Roles, source: str) -> Mapping:
    made = Mapping(table.name, "customer_order", f"{source}.{table.name}")
    if link := _customer_link(table, roles, source):
        made.fields["record_id"] = link
    number = table.first(r"number|\bno\b|\bnr\b", [c for c in table.found.columns if c.name not in table.found.key])
    made.fields["order_number"] = Field(quoted(number.name if number else table.found.key[0]), "names the order")
    times = [c for c in table.times if not c.is_stamped]
    ordered = table.first(r"order|purchase|payment|paid|invoice|placed|bestell|close", times) or next(iter(times), None)
    if ordered:
        made.fields["ordered_at"] = Field(quoted(ordered.name), "the time of an order, by its name")
    _status(made, table, MEANING.order_states, _SYNONYMS, default="placed")
    currency = table.first(r"currency|waehrung|wahrung", [c for c in table.found.columns if c.is_text])
    if currency:
        made.fields["currency_code"] = Field(quoted(currency.name), "by its name")
    else:
        made.fields["currency_code"] = Field('{ value = "USD" }', "no column names a currency")
        made.todo.append(f"{table.name}: no column names the currency of amounts; USD is assumed")
    _amount(made, table, roles, source)
    return made


def _amount(made: Mapping, table: Table, roles: Roles, source: str) -> None:
    if amount := table.first(AMOUNT, table.numbers):
        made.fields["amount"] = Field(quoted(amount.name), "an amount, by its name")
        return
    lines = roles.lines
    link = lines.link_to(table.name) if lines else None
    if lines is None or link is None:
        made.todo.append(f"{table.name}: no column holds the amount of an order; name it as amount")
        return
    factors = [lines.first(pattern, lines.numbers) for pattern in (PRICE, QUANTITY)]
    names = [quoted(one.name) for one in factors if one]
    discount = lines.first(DISCOUNT, lines.numbers)
    if discount and all(0 <= float(value) <= 1 for value in discount.values):
        names.append(quoted(f"1 - {discount.name}"))
    made.joins["lines"] = [
        f'object = "{source}.{lines.name}"',
        f"on = {{ {quoted(link.column)} = {quoted(link.their_column)} }} # {link.evidence}",
        f"sums = {{ total = [{', '.join(names)}] }}",
    ]
    made.fields["amount"] = Field('"lines.total"', "no column holds a total: the sum of its lines")


def _status(made: Mapping, table: Table, words: tuple[str, ...], synonyms: dict[str, str], *, default: str = "",
            column: str = "status", pattern: str = r"\bstatus|\bstate\b|\bstage|zustand") -> None:  # fmt: skip
    texts = [c for c in table.found.columns if c.is_text and c.name not in table.of_kind("region")]
    found = table.first(pattern, texts)
    if found is None:
        if default:
            made.fields[column] = Field(f'{{ value = "{default}" }}', f"no column holds a {column}")
        return
    counts = Counter(found.values)
    if len(counts) > 20:
        made.todo.append(f"{table.name}: {found.name} has many values; is it a {column}?")
        return
    known = {word: synonyms[word.strip().lower()] for word in counts if word.strip().lower() in synonyms}
    unknown = [word for word in counts if word not in known and word.strip().lower() not in words]
    pairs = ", ".join(f"{quoted(word)} = {quoted(meant)}" for word, meant in known.items())
    expression = f"{{ map = {{ {pairs} }}, of = {quoted(found.name)} }}" if known else quoted(found.name)
    made.fields[column] = Field(expression, f"{len(counts)} different words")
    if unknown:
        made.todo.append(f"{table.name}: {found.name} has {len(unknown)} words without a meaning here; "
                         "`dataflow plan` lists them with counts")  # fmt: skip


def _line(table: Table, orders: Table, roles: Roles, source: str) -> Mapping:
    made = Mapping(table.name, "order_item", f"{source}.{table.name}")
    link = table.link_to(orders.name)
    assert link is not None
    made.fields["order_id"] = Field(
        f'{{ record = "{source}.{orders.name}", key = {quoted(link.column)} }}', link.evidence
    )
    product = next((one for one in table.found.links if one.table != orders.name and one.table in roles.tables), None)
    code = table.first(r"sku|product|article|artikel|item", table.found.columns)
    if product or code:
        chosen = product.column if product else code.name  # type: ignore[union-attr]
        made.fields["product_code"] = Field(quoted(chosen), "names the product")
    if product:
        other = roles.tables[product.table]
        name = other.first(NAME, [c for c in other.found.columns if c.is_text])
        if name:
            on = f"{quoted(product.their_column)} = {quoted(product.column)}"
            made.joins["product"] = [f'object = "{source}.{other.name}"', f"on = {{ {on} }} # {product.evidence}"]
            made.fields["product_name"] = Field(quoted(f"product.{name.name}"), f"looked up in {other.name}")
    for target, pattern in (("quantity", QUANTITY), ("unit_price", PRICE)):
        column = table.first(pattern, table.numbers)
        if column:
            made.fields[target] = Field(quoted(column.name), "by its name")
    return made


def _ticket(table: Table, roles: Roles, source: str) -> list[Mapping]:
    made = Mapping(table.name, "ticket", f"{source}.{table.name}")
    texts = [c for c in table.found.columns if c.is_text]
    link = _customer_link(table, roles, source)
    people = [] if link else [_requester(table, source)]
    if link:
        made.fields["record_id"] = link
    elif people[0].group_by:
        made.fields["record_id"] = Field(f'{{ group = "{people[0].name}" }}', "its requester")
    for target, pattern in _TICKET_TEXTS.items():
        if column := table.first(pattern, texts):
            made.fields[target] = Field(quoted(column.name), "by its name")
    _status(made, table, MEANING.ticket_states, _TICKET_SYNONYMS)
    _status(made, table, MEANING.priorities, _TICKET_SYNONYMS, column="priority", pattern=r"priorit|urgen|dringlich")
    opened: list[FoundColumn] = [c for c in table.times if c.is_time]
    for target, pattern in (("opened_at", r"creat|open|submit|erstellt|angelegt"), ("first_response_at", r"first"),
                            ("closed_at", r"clos|solv|resolv|gelost|geschlossen|erledigt")):  # fmt: skip
        if column := table.first(pattern, [c for c in opened if not c.is_stamped]):
            made.fields[target] = Field(quoted(column.name), "by its name")
    return [*(one for one in people if one.group_by), made]


def _requester(table: Table, source: str) -> Mapping:
    """Propose the people of a ticket's own columns: each combination of name, address and number is one."""
    made = Mapping(f"{table.name}_requester", "customer_record", f"{source}.{table.name}", record_object="requester")
    made.fields["entity_type"] = Field('{ value = "person" }', "the requester of a ticket")
    for kind, target in (("email", "email"), ("full_name", "full_name"), ("phone", "phone")):
        names = [n for n in table.of_kind(kind) if not re.search(r"subject|title|betreff", table.found.column(n).words)]
        if names:
            made.fields[target] = Field(quoted(names[0]), f"holds values of kind {kind}")
            made.group_by.append(names[0])
    return made if made.group_by else Mapping(made.name, made.table, made.object)
