"""Build one later day: new versions of old records, repeats, deletions, late rows, and a quota for new records."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataflow.sample.arrays import Flags, Frame, Ints, Random, Text, blank, chance, height, present, stack, take
from dataflow.sample.clock import Day, within
from dataflow.sample.defects import draw_defects
from dataflow.sample.events import Events
from dataflow.sample.ledger import Ledger
from dataflow.sample.noise import RATES
from dataflow.sample.objects import OBJECTS, Key
from dataflow.sample.slices import Earlier, Made
from dataflow.sample.tickets import REQUESTER
from dataflow.sample.updates import due_first, update
from dataflow.sample.world import World

# Share of new versions of earlier records in a later day's rows; the rest is new records, four in ten overall.
_UPDATED: dict[Key, float] = {
    ("salesforce", "account"): 0.45,
    ("salesforce", "contact"): 0.42,
    ("salesforce", "lead"): 0.40,
    ("mysql", "customers"): 0.42,
    ("mysql", "addresses"): 0.45,
    ("mysql", "orders"): 0.45,
    ("mysql", "order_items"): 0.12,
    ("tickets", "ticket"): 0.42,
}
# A soft-deleted row hides the rows that refer to it: (object, column) -> the object it refers to.
_PARENTS: dict[Key, tuple[str, Key]] = {
    ("mysql", "addresses"): ("customer_id", ("mysql", "customers")),
    ("mysql", "orders"): ("customer_id", ("mysql", "customers")),
    ("mysql", "order_items"): ("order_id", ("mysql", "orders")),
}


@dataclass
class Changes:
    """The rows of one object that a later day delivers besides its new records."""

    rows: Ints
    updated: Made
    repeated: Frame
    stale: Frame
    late: int
    soft_deleted: int

    @property
    def size(self) -> int:
        return self.rows.size + height(self.repeated) + height(self.stale)


def change_records(
    rng: Random, key: Key, ledger: Ledger, world: World, events: Events, *, quota: int, day: Day
) -> Changes:
    """Choose and build the new versions and repeats of one object, and write them to the ledger."""
    repeats, stales = round(quota * RATES.duplicate), round(quota * RATES.stale)
    candidates = np.flatnonzero(ledger.exists[key] & ~_orphaned(ledger, key))
    wanted = min(round(quota * _UPDATED[key]), candidates.size)
    rows = due_first(rng, key, ledger.frames[key], candidates, events, wanted)
    before = ledger.take(key, rows)
    after = {name: column.copy() for name, column in before.items()}
    update(rng, key, after, world, events, day)
    deleted = _soft_delete(rng, key, after, ledger.known[key][rows])
    late = make_late(rng, key, after, day, before)
    defects = draw_defects(rng, key, ledger.known[key][rows] & ~deleted)
    stale = take(before, np.flatnonzero(ledger.intact[key][rows])[:stales])
    # Repeats are drawn from the unchanged records: the same version again.
    others = np.setdiff1d(np.flatnonzero(ledger.intact[key] & ledger.exists[key]), rows)
    repeated = ledger.take(key, rng.permutation(others)[:repeats])
    ledger.change(key, rows, after, ~present(defects))
    ledger.exists[key][rows[deleted]] = False
    return Changes(rows, Made(after, defects), repeated, stale, late, int(deleted.sum()))


def _orphaned(ledger: Ledger, key: Key) -> Flags:
    """Flag rows whose owner was deleted: the application no longer changes them."""
    if key not in _PARENTS:
        return np.zeros(len(ledger.exists[key]), dtype=bool)
    column, parent = _PARENTS[key]
    gone = ledger.frames[parent]["id"][~ledger.exists[parent]].astype(np.int64)
    return np.isin(ledger.frames[key][column].astype(np.int64), gone)


def _soft_delete(rng: Random, key: Key, frame: Frame, known: Flags) -> Flags:
    column = OBJECTS[key].deleted
    if column is None:
        return np.zeros(height(frame), dtype=bool)
    gone = chance(rng, height(frame), RATES.soft_deleted) & known
    frame[column][gone] = frame[OBJECTS[key].cursor][gone]
    return gone


def make_late(rng: Random, key: Key, frame: Frame, day: Day, before: Frame | None) -> int:
    """Set the cursor of some rows to one of the three days before; never before the previous version."""
    cursor = OBJECTS[key].cursor
    timestamp = frame[cursor]
    back = rng.integers(60, 3 * 86_400, height(frame)).astype("timedelta64[s]")
    target = day.start - back
    late = chance(rng, height(frame), RATES.late)
    if before is not None:
        late &= target > before[cursor]
    shift = timestamp[late] - target[late]
    for name, column in frame.items():
        if column.dtype.kind == "M" and name != cursor:
            # A late new record moves as a whole; of an old record only the fields with the cursor's timestamp move.
            same = np.ones(int(late.sum()), dtype=bool) if before is None else column[late] == timestamp[late]
            column[np.flatnonzero(late)[same]] -= shift[same]
    frame[cursor] = np.where(late, target, timestamp)
    return int(late.sum())


def delete_in_crm(rng: Random, key: Key, ledger: Ledger, touched: Ints, world: World, day: Day) -> tuple[Text, Text]:
    """Delete some records without other changes today; return their Ids and timestamps."""
    free = np.setdiff1d(ledger.usable(key), touched)
    rows = rng.permutation(free)[: round(free.size * RATES.deleted)]
    ledger.exists[key][rows] = False
    ids = ledger.frames[key]["Id"][rows]
    if key == ("salesforce", "account"):
        accounts = world.companies.account
        accounts[np.isin(accounts.astype(str), ids.astype(str))] = None
    return ids, within(rng, rows.size, day)


def earlier_records(rng: Random, ledger: Ledger, customers: int, requesters: int) -> Earlier:
    """Sample earlier customers with a new order and earlier requesters with a new ticket."""
    key: Key = ("mysql", "customers")
    buyers = rng.permutation(ledger.usable(key))[:customers]
    tickets = ledger.frames["tickets", "ticket"]
    wrote = rng.permutation(height(tickets))[:requesters]
    return Earlier(ledger.take(key, buyers), take({name: tickets[name] for name in REQUESTER}, wrote))


def delivered(changes: Changes | None, new: Made) -> Made:
    """Return everything that one object delivers on a day, in one frame; repeats are never broken."""
    if changes is None:
        return new
    again = stack([changes.repeated, changes.stale])
    return Made(
        stack([new.frame, changes.updated.frame, again]),
        np.concatenate([new.defects, changes.updated.defects, blank(height(again))]),
    )
