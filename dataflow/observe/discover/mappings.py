"""Propose mappings to the conformed model: customers, orders, their lines, tickets and their requesters."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from anyascii import anyascii

from dataflow.observe.discover import words
from dataflow.observe.discover.customers import propose_customer
from dataflow.observe.discover.proposal import Field, Mapping, quoted
from dataflow.observe.discover.roles import Roles, Table
from dataflow.sources.found import FoundColumn
from dataflow.tables.meaning import MEANING
from lakehouse.plural import counted

_TICKET_TEXTS = {"subject": words.SUBJECT, "category": words.CATEGORY, "channel": words.CHANNEL}
_MOST_WORDS = 20


@dataclass(frozen=True, kw_only=True)
class _States:
    """A column of states: how it is called, the words of the model, and what words of companies mean."""

    column: str
    pattern: str
    words: tuple[str, ...]
    meaning: dict[str, str]
    default: str = ""


_ORDER_STATUS = _States(
    column="status", pattern=words.STATUS, words=MEANING.order_states, meaning=words.ORDER_STATES, default="placed"
)
_TICKET_STATUS = _States(
    column="status", pattern=words.STATUS, words=MEANING.ticket_states, meaning=words.TICKET_STATES
)
_PRIORITY = _States(column="priority", pattern=words.PRIORITY, words=MEANING.priorities, meaning=words.PRIORITIES)


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
    linked = {*table.found.key, *(link.column for link in table.found.links)}
    number = table.first(words.NUMBER, [c for c in table.found.columns if c.name not in linked])
    made.fields["order_number"] = Field(quoted(number.name if number else table.found.key[0]), "names the order")
    times = [c for c in table.times if not c.is_stamped]
    ordered = table.first(words.ORDERED, times) or next(iter(times), None)
    if ordered:
        made.fields["ordered_at"] = Field(quoted(ordered.name), "the time of an order, by its name")
    _states(made, table, roles, source, of=_ORDER_STATUS)
    currency = table.first(words.CURRENCY, [c for c in table.found.columns if c.is_text])
    if currency:
        made.fields["currency_code"] = Field(quoted(currency.name), "by its name")
    else:
        made.fields["currency_code"] = Field('{ value = "USD" }', "no column names a currency")
        made.todo.append(f"{table.name}: no column names the currency of amounts; USD is assumed")
    _amount(made, table, roles, source)
    return made


def _amount(made: Mapping, table: Table, roles: Roles, source: str) -> None:
    if amount := table.first(words.AMOUNT, table.numbers):
        made.fields["amount"] = Field(quoted(amount.name), "an amount, by its name")
        return
    lines = roles.lines
    link = lines.link_to(table.name) if lines else None
    if lines is None or link is None:
        made.todo.append(f"{table.name}: no column holds the amount of an order; name it as amount")
        return
    factors = [lines.first(pattern, lines.numbers) for pattern in (words.PRICE, words.QUANTITY)]
    names = [quoted(one.name) for one in factors if one]
    discount = lines.first(words.DISCOUNT, lines.numbers)
    if discount and all(0 <= float(value) <= 1 for value in discount.values):
        names.append(quoted(f"1 - {discount.name}"))
    made.joins["lines"] = [
        f'object = "{source}.{lines.name}"',
        f"on = {{ {quoted(link.column)} = {quoted(link.their_column)} }} # {link.evidence}",
        f"sums = {{ total = [{', '.join(names)}] }}",
    ]
    made.fields["amount"] = Field('"lines.total"', "no column holds a total: the sum of its lines")


def _states(made: Mapping, table: Table, roles: Roles, source: str, *, of: _States) -> None:
    """Map a column of states, of the table or of one that it links to, by what its words mean."""
    found, name = _state_column(made, table, roles, source, of)
    if found is None:
        if of.default:
            made.fields[of.column] = Field(f'{{ value = "{of.default}" }}', f"no column holds a {of.column}")
        return
    counts = Counter(found.values)
    if len(counts) > _MOST_WORDS:
        made.todo.append(f"{table.name}: {found.name} has many values; is it a {of.column}?")
        return
    known = {word: of.meaning[folded] for word in counts if (folded := _folded(word)) in of.meaning}
    unknown = [word for word in counts if word not in known and _folded(word) not in of.words]
    pairs = ", ".join(f"{quoted(word)} = {quoted(meant)}" for word, meant in known.items())
    expression = f"{{ map = {{ {pairs} }}, of = {quoted(name)} }}" if known else quoted(name)
    made.fields[of.column] = Field(expression, counted(len(counts), "different word"))
    if unknown:
        made.todo.append(f"{table.name}: {name} has {counted(len(unknown), 'word')} without a meaning here; "
                         "`dataflow plan` lists them with counts")  # fmt: skip


def _folded(word: str) -> str:
    return " ".join(anyascii(word).lower().replace("_", " ").split())


def _state_column(
    made: Mapping, table: Table, roles: Roles, source: str, of: _States
) -> tuple[FoundColumn | None, str]:
    """Return the column of states and its name in the mapping; join the table of states that it is looked up in."""
    linked = {link.column for link in table.found.links}
    own = [c for c in table.found.columns if (c.is_text or c in table.numbers) and c.name not in linked]
    own = [c for c in own if not re.search(words.STATE_OF_ADDRESS, c.words)]
    if found := table.first(of.pattern, [c for c in own if c.name not in table.of_kind("region")]):
        return found, found.name
    for link in table.found.links:
        other = roles.tables.get(link.table)
        texts = [c for c in other.found.columns if c.is_text] if other else []
        if other is None or not re.search(of.pattern, other.found.words) or not texts:
            continue
        found = other.first(f"{of.pattern}|{words.NAME}", texts) or texts[0]
        on = f"{quoted(link.their_column)} = {quoted(link.column)}"
        made.joins[other.name] = [f'object = "{source}.{other.name}"', f"on = {{ {on} }} # {link.evidence}"]
        return found, f"{other.name}.{found.name}"
    return None, ""


def _line(table: Table, orders: Table, roles: Roles, source: str) -> Mapping:
    made = Mapping(table.name, "order_item", f"{source}.{table.name}")
    link = table.link_to(orders.name)
    assert link is not None
    made.fields["order_id"] = Field(
        f'{{ record = "{source}.{orders.name}", key = {quoted(link.column)} }}', link.evidence
    )
    product = next((one for one in table.found.links if one.table != orders.name and one.table in roles.tables), None)
    code = table.first(words.PRODUCT, table.found.columns)
    if product or code:
        chosen = product.column if product else code.name  # type: ignore[union-attr]
        made.fields["product_code"] = Field(quoted(chosen), "names the product")
    if product:
        other = roles.tables[product.table]
        name = other.first(words.NAME, [c for c in other.found.columns if c.is_text])
        if name:
            on = f"{quoted(product.their_column)} = {quoted(product.column)}"
            made.joins["product"] = [f'object = "{source}.{other.name}"', f"on = {{ {on} }} # {product.evidence}"]
            made.fields["product_name"] = Field(quoted(f"product.{name.name}"), f"looked up in {other.name}")
    for target, pattern in (("quantity", words.QUANTITY), ("unit_price", words.PRICE)):
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
    _states(made, table, roles, source, of=_TICKET_STATUS)
    _states(made, table, roles, source, of=_PRIORITY)
    opened: list[FoundColumn] = [c for c in table.times if c.is_time]
    named = (("opened_at", words.OPENED), ("first_response_at", words.ANSWERED), ("closed_at", words.CLOSED))
    for target, pattern in named:
        if column := table.first(pattern, [c for c in opened if not c.is_stamped]):
            made.fields[target] = Field(quoted(column.name), "by its name")
    return [*(one for one in people if one.group_by), made]


def _requester(table: Table, source: str) -> Mapping:
    """Propose the people of a ticket's own columns: each combination of name, address and number is one."""
    made = Mapping(f"{table.name}_requester", "customer_record", f"{source}.{table.name}", record_object="requester")
    made.fields["entity_type"] = Field('{ value = "person" }', "the requester of a ticket")
    for kind, target in (("email", "email"), ("full_name", "full_name"), ("phone", "phone")):
        names = [n for n in table.of_kind(kind) if not re.search(words.SUBJECT, table.found.column(n).words)]
        if names:
            made.fields[target] = Field(quoted(names[0]), f"holds values of kind {kind}")
            made.group_by.append(names[0])
    return made if made.group_by else Mapping(made.name, made.table, made.object)
