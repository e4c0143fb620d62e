"""New records of one slice of a day, for all objects at once, so that references hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dataflow.sample.arrays import Flags, Frame, Ints, Random, Text, blank, chance, draw, height, skewed
from dataflow.sample.clock import Day, made_and_changed
from dataflow.sample.defects import draw_defects
from dataflow.sample.mysql import make_addresses, make_customers, make_items, make_orders
from dataflow.sample.objects import OBJECTS, Key
from dataflow.sample.salesforce import make_accounts, make_contacts, make_leads
from dataflow.sample.tickets import REQUESTERS_PER_TICKET, assign_tickets, make_requesters, make_tickets
from dataflow.sample.world import World

# Of the records of an object, the share that describes somebody the object does not know yet.
_DISTINCT = {"account": 0.58, "contact": 0.72, "lead": 0.80, "customers": 0.95, "requester": 0.93}
_COMPANY_CUSTOMERS = 0.2


class Counters:
    """Next number of each object's keys."""

    def __init__(self) -> None:
        self._next = dict.fromkeys(OBJECTS, 1)

    def reserve(self, key: Key, size: int) -> int:
        first = self._next[key]
        self._next[key] += size
        return first


@dataclass
class Made:
    """New rows of one object with the defect chosen for each (None: valid)."""

    frame: Frame
    defects: Text


Pick = Callable[[Random, str, int], Ints]


def assign(rng: Random, size: int, entities: Ints, share: float) -> Ints:
    """Spread `size` records over entities: a share of them to distinct ones, the rest to those again."""
    if not entities.size or not size:
        return np.zeros(0, dtype=np.int64)
    distinct = rng.permutation(entities)[: max(1, min(entities.size, round(size * share)))]
    again = distinct[rng.integers(0, distinct.size, max(0, size - distinct.size))]
    return rng.permutation(np.concatenate([distinct, again]))[:size]


def make_slice(
    rng: Random, world: World, quota: dict[Key, int], day: Day, *, counters: Counters, people: Ints, companies: Ints
) -> dict[Key, Made]:
    """Make the new records of a slice; `people` and `companies` are the rows of the world it may use."""
    made: dict[Key, Made] = {}

    def keep(key: Key, frame: Frame, free: Flags | None = None) -> Flags:
        rows = height(frame)
        allowed = np.ones(rows, dtype=bool) if free is None else free
        made[key] = Made(frame, draw_defects(rng, key, allowed))
        return np.asarray(made[key].defects == None, dtype=bool)  # noqa: E711

    _make_crm(rng, world, quota, day, counters, people, companies, keep)
    _make_orders(rng, world, quota, day, counters, people, companies, keep)
    size = quota["tickets", "ticket"]
    who = assign(rng, max(1, round(size * REQUESTERS_PER_TICKET)), people, _DISTINCT["requester"])
    requesters = make_requesters(rng, world, who)
    asked_by = assign_tickets(rng, who.size, size)
    keep(("tickets", "ticket"), make_tickets(rng, requesters, asked_by, counters.reserve(("tickets", "ticket"), size), day))
    return made


Keep = Callable[..., Flags]


def _make_crm(
    rng: Random, world: World, quota: dict[Key, int], day: Day, counters: Counters, people: Ints, companies: Ints, keep: Keep
) -> None:
    key: Key = ("salesforce", "account")
    rows = assign(rng, quota[key], companies, _DISTINCT["account"])
    frame = make_accounts(rng, world, rows, counters.reserve(key, rows.size), made_and_changed(rng, rows.size, day))
    clean = keep(key, frame)
    # contacts hang on an account that arrives whole
    world.companies.account[rows[clean]] = frame["Id"][clean]
    for name, make in (("contact", make_contacts), ("lead", make_leads)):
        key = ("salesforce", name)
        rows = assign(rng, quota[key], people, _DISTINCT[name])
        keep(key, make(rng, world, rows, counters.reserve(key, rows.size), made_and_changed(rng, rows.size, day)))


def _make_orders(
    rng: Random, world: World, quota: dict[Key, int], day: Day, counters: Counters, people: Ints, companies: Ints, keep: Keep
) -> None:
    key: Key = ("mysql", "customers")
    firms = assign(rng, round(quota[key] * _COMPANY_CUSTOMERS), companies, _DISTINCT["customers"])
    folk = assign(rng, quota[key] - firms.size, people, _DISTINCT["customers"])
    size = firms.size + folk.size
    customers = make_customers(rng, world, folk, firms, counters.reserve(key, size), made_and_changed(rng, size, day))
    # a fifth buys nothing yet; only among them are broken rows
    buys = chance(rng, size, 0.8)
    clean = keep(key, customers, ~buys)
    buyers = np.flatnonzero(buys & clean)
    key = ("mysql", "addresses")
    owner = assign(rng, quota[key], np.flatnonzero(clean), 0.85)
    keep(key, make_addresses(rng, world, customers, owner, counters.reserve(key, owner.size)))
    key = ("mysql", "orders")
    owner = rng.permutation(buyers)[draw(rng, quota[key], skewed(buyers.size, exponent=0.55))]
    orders = make_orders(rng, customers, owner, counters.reserve(key, owner.size), day)
    has_lines = chance(rng, owner.size, 0.82)
    free = chance(rng, owner.size, 0.3) & ~has_lines
    lined = np.flatnonzero(has_lines)
    items_key: Key = ("mysql", "order_items")
    # every order with lines has one; the rest of the lines go to some of them
    base = rng.permutation(lined)[: quota[items_key]]
    extra = lined[rng.integers(0, lined.size, quota[items_key] - base.size)] if lined.size else base[:0]
    owner = rng.permutation(np.concatenate([base, extra]))
    items = make_items(rng, orders, owner, counters.reserve(items_key, owner.size))
    keep(key, orders, free)
    keep(items_key, items)


def no_defects(frame: Frame) -> Text:
    return blank(height(frame))
