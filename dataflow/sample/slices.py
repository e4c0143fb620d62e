"""Build the new records of one slice of a day, for all objects together, so that references are valid."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dataflow.sample.arrays import Flags, Frame, Ints, Random, Text, Times, chance, draw, height, present, skewed, stack
from dataflow.sample.clock import Day, made_and_changed
from dataflow.sample.defects import draw_defects
from dataflow.sample.mysql import make_addresses, make_customers, make_items, make_orders
from dataflow.sample.objects import OBJECTS, Key
from dataflow.sample.salesforce import make_accounts, make_contacts, make_leads
from dataflow.sample.tickets import REQUESTERS_PER_TICKET, assign_tickets, make_requesters, make_tickets
from dataflow.sample.world import World

# Share of an object's records that describe a person or company new to the object.
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
    """New rows of one object with the defect of each (None: valid)."""

    frame: Frame
    defects: Text


@dataclass
class Earlier:
    """Records of earlier days that new ones can refer to; empty frames on a first load."""

    customers: Frame | None = None
    requesters: Frame | None = None


def assign(rng: Random, size: int, entities: Ints, share: float) -> Ints:
    """Assign `size` records to entities: a share of them to distinct entities, the rest to the same ones again."""
    if not entities.size or not size:
        return np.zeros(0, dtype=np.int64)
    distinct = rng.permutation(entities)[: max(1, min(entities.size, round(size * share)))]
    again = distinct[rng.integers(0, distinct.size, max(0, size - distinct.size))]
    return rng.permutation(np.concatenate([distinct, again]))[:size]


def make_slice(
    rng: Random, world: World, quota: dict[Key, int], day: Day, *, counters: Counters, people: Ints, companies: Ints,
    earlier: Earlier,
) -> dict[Key, Made]:  # fmt: skip
    """Build the new records of a slice; `people` and `companies` are the rows of the world to use."""
    maker = _Slice(rng, world, quota, day, counters, people, companies)
    maker.make_crm()
    maker.make_shop(earlier.customers)
    maker.make_tickets(earlier.requesters)
    return maker.made


@dataclass
class _Slice:
    """State that the three sources share while one slice is built."""

    rng: Random
    world: World
    quota: dict[Key, int]
    day: Day
    counters: Counters
    people: Ints
    companies: Ints
    made: dict[Key, Made] = field(default_factory=dict)

    def keep(self, key: Key, frame: Frame, free: Flags | None = None) -> Flags:
        """Keep a frame with defects drawn among its free rows; return the flags of valid rows."""
        allowed = np.ones(height(frame), dtype=bool) if free is None else free
        self.made[key] = Made(frame, draw_defects(self.rng, key, allowed))
        return ~present(self.made[key].defects)

    def times(self, size: int) -> tuple[Times, Times]:
        return made_and_changed(self.rng, size, self.day)

    def make_crm(self) -> None:
        key: Key = ("salesforce", "account")
        rows = assign(self.rng, self.quota[key], self.companies, _DISTINCT["account"])
        first = self.counters.reserve(key, rows.size)
        frame = make_accounts(self.rng, self.world, rows, first, self.times(rows.size))
        clean = self.keep(key, frame)
        # Contacts and branches refer to accounts that arrive valid.
        broken = frame["Id"][~clean].tolist()
        frame["ParentId"][np.isin(frame["ParentId"].astype(str), broken)] = None
        self.world.companies.account[rows[clean]] = frame["Id"][clean]
        for name, make in (("contact", make_contacts), ("lead", make_leads)):
            key = ("salesforce", name)
            rows = assign(self.rng, self.quota[key], self.people, _DISTINCT[name])
            first = self.counters.reserve(key, rows.size)
            self.keep(key, make(self.rng, self.world, rows, first, self.times(rows.size)))

    def make_shop(self, earlier: Frame | None) -> None:
        key: Key = ("mysql", "customers")
        firms = assign(self.rng, round(self.quota[key] * _COMPANY_CUSTOMERS), self.companies, _DISTINCT["customers"])
        folk = assign(self.rng, self.quota[key] - firms.size, self.people, _DISTINCT["customers"])
        size = firms.size + folk.size
        first = self.counters.reserve(key, size)
        customers = make_customers(self.rng, self.world, folk, firms, first, self.times(size))
        # A fifth has no order yet; broken rows are drawn only from these.
        buys = chance(self.rng, size, 0.8)
        clean = self.keep(key, customers, ~buys)
        if earlier is not None:
            customers = stack([customers, earlier])
            more = np.ones(height(earlier), dtype=bool)
            clean, buys = np.concatenate([clean, more]), np.concatenate([buys, more])
        key = ("mysql", "addresses")
        owner = assign(self.rng, self.quota[key], np.flatnonzero(clean), 0.85)
        first = self.counters.reserve(key, owner.size)
        self.keep(key, make_addresses(self.rng, self.world, customers, owner, first, self.day))
        self._make_orders(customers, np.flatnonzero(buys & clean))

    def _make_orders(self, customers: Frame, buyers: Ints) -> None:
        key, items_key = ("mysql", "orders"), ("mysql", "order_items")
        picked = draw(self.rng, self.quota[key], skewed(buyers.size, exponent=0.55))
        owner = self.rng.permutation(buyers)[picked]
        first = self.counters.reserve(key, owner.size)
        orders = make_orders(self.rng, customers, owner, first, self.day)
        has_lines = chance(self.rng, owner.size, 0.82)
        lined = np.flatnonzero(has_lines)
        # Every order with lines gets one; the remaining lines go to some of these orders.
        base = self.rng.permutation(lined)[: self.quota[items_key]]
        extra = lined[self.rng.integers(0, lined.size, self.quota[items_key] - base.size)]
        of_order = self.rng.permutation(np.concatenate([base, extra]))
        first = self.counters.reserve(items_key, of_order.size)
        items = make_items(self.rng, orders, of_order, first)
        self.keep(key, orders, ~has_lines & chance(self.rng, owner.size, 0.6))
        self.keep(items_key, items)

    def make_tickets(self, earlier: Frame | None) -> None:
        key: Key = ("tickets", "ticket")
        size = self.quota[key]
        wanted = max(1, round(size * REQUESTERS_PER_TICKET))
        who = assign(self.rng, wanted, self.people, _DISTINCT["requester"])
        requesters = make_requesters(self.rng, self.world, who)
        if earlier is not None:
            requesters = stack([requesters, earlier])
        asked_by = assign_tickets(self.rng, height(requesters), size)
        self.keep(key, make_tickets(self.rng, requesters, asked_by, self.counters.reserve(key, size), self.day))
