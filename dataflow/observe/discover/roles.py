"""Guess what each table is: customers, orders, their lines, tickets, or a table that others look up.

A role is known by the name of the table and by what its columns hold; each guess keeps its evidence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dataflow.observe.discover import words
from dataflow.resolve.own_file.kinds import infer_kinds
from dataflow.sources.found import FoundColumn, FoundTable, Link

_REACHED = {"email", "phone", "surname", "full_name", "company_name", "given_name"}
_FLAG_VALUES = {"0", "1"}


@dataclass
class Table:
    """A found table with the kinds of its columns, as `resolve FILE` recognises them."""

    found: FoundTable
    kinds: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.found.name

    def of_kind(self, kind: str) -> list[str]:
        return [name for name, given in self.kinds.items() if given == kind]

    def first(self, pattern: str, columns: Sequence[FoundColumn]) -> FoundColumn | None:
        """Return the first of the columns whose name has the pattern."""
        return next((column for column in columns if re.search(pattern, column.words)), None)

    @property
    def numbers(self) -> list[FoundColumn]:
        linked = {link.column for link in self.found.links} | set(self.found.key)
        return [c for c in self.found.columns if c.is_number and c.name not in linked]

    @property
    def times(self) -> list[FoundColumn]:
        return [column for column in self.found.columns if column.is_date_or_time]

    @property
    def flags(self) -> list[FoundColumn]:
        """Return the columns of yes and no, also those that are written as 0 and 1."""
        return [c for c in self.found.columns if c.type == "BOOLEAN" or (c.is_number and set(c.values) == _FLAG_VALUES)]

    def link_to(self, name: str) -> Link | None:
        return next((link for link in self.found.links if link.table == name), None)


@dataclass
class Roles:
    """The tables by role. `orders` and `lines` are one each: several would count a purchase twice."""

    tables: dict[str, Table]
    customers: list[Table] = field(default_factory=list)
    orders: Table | None = None
    lines: Table | None = None
    tickets: list[Table] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)


def find_roles(found: Sequence[FoundTable]) -> Roles:
    """Find links that only names tell, then the role of each table."""
    tables = {one.name: Table(one, infer_kinds({c.name: c.values for c in one.columns}, _rows(one))) for one in found}
    for table in tables.values():
        table.found.links += _links_by_name(table.found, found)
    roles = Roles(tables)
    roles.tickets = [one for one in tables.values() if _is_ticket(one)]
    roles.customers = [one for one in tables.values() if _is_customer(one) and one not in roles.tickets]
    roles.orders = _orders(roles)
    roles.lines = _lines(roles)
    return roles


def _rows(table: FoundTable) -> int:
    return max((len(column.values) for column in table.columns), default=0)


def _links_by_name(table: FoundTable, all_tables: Sequence[FoundTable]) -> list[Link]:
    """Return links where a column has the name of another table's only key, or of the table and its key."""
    known, made = {link.column for link in table.links}, []
    for column in table.columns:
        for other in all_tables:
            if other is table or len(other.key) != 1 or column.name in known or (column.name,) == table.key:
                continue
            singular = re.sub(r"(ies|s)$", lambda m: "y" if m[0] == "ies" else "", other.words)
            key = FoundColumn(other.key[0], "").words
            is_named = column.words == key and key != "id"
            if is_named or column.words in (f"{singular} {key}", f"{singular} id", f"{singular} nr", f"id {singular}"):
                made.append(Link(column.name, other.name, other.key[0], "by its name"))
                known.add(column.name)
    return made


def _is_customer(table: Table) -> bool:
    name = table.found.words
    is_named = bool(re.search(words.CUSTOMERS, name)) and not re.search(words.NOT_CUSTOMERS, name)
    return is_named and bool(_REACHED & set(table.kinds.values()))


def _is_ticket(table: Table) -> bool:
    texts = [column for column in table.found.columns if column.is_text]
    return bool(re.search(words.TICKETS, table.found.words)) and table.first(words.SUBJECT, texts) is not None


def _orders(roles: Roles) -> Table | None:
    """Return the table of orders: it links to customers; a better name comes first, then one with an amount."""
    customers = {one.name for one in roles.customers}
    linked = [one for one in roles.tables.values() if any(link.table in customers for link in one.found.links)]
    candidates = []
    for table in linked:
        rank = next((n for n, pattern in enumerate(words.ORDERS) if re.search(pattern, table.found.words)), None)
        if rank is not None and table not in roles.customers and not re.search(words.LINES, table.found.words):
            candidates.append((rank, not table.first(words.AMOUNT, table.numbers), table.name, table))
    candidates.sort(key=lambda one: one[:3])
    if linked and not candidates:
        listed = ", ".join(one.name for one in linked)
        roles.unsure.append(f"no table of orders was recognised; these link to customers: {listed}")
    for _, _, name, _ in candidates[1:]:
        roles.unsure.append(f"{name} links to customers as orders do; {candidates[0][2]} is mapped as orders")
    return candidates[0][3] if candidates else None


def _lines(roles: Roles) -> Table | None:
    if roles.orders is None:
        return None
    return next(
        (
            one
            for one in roles.tables.values()
            if one.link_to(roles.orders.name)
            and one.first(words.QUANTITY, one.numbers)
            and one.first(words.PRICE, one.numbers)
        ),
        None,
    )
