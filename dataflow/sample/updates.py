"""Generate new versions of existing records."""

from __future__ import annotations

import numpy as np

from dataflow.sample.arrays import Flags, Frame, Ints, Random, Text, chance, height, present, text
from dataflow.sample.clock import Day, within
from dataflow.sample.companies import with_form
from dataflow.sample.events import Events
from dataflow.sample.mysql import NEVER, homes_of
from dataflow.sample.objects import OBJECTS, Key
from dataflow.sample.places import Addresses
from dataflow.sample.salesforce import LEAD_STATUSES
from dataflow.sample.views import format_phones, write_place
from dataflow.sample.world import World

# Columns of each object by the topic of a correction: names, e-mail, telephone, address lines.
_NAMES: dict[Key, tuple[str, str]] = {
    ("salesforce", "contact"): ("FirstName", "LastName"),
    ("salesforce", "lead"): ("FirstName", "LastName"),
    ("mysql", "customers"): ("first_name", "last_name"),
}
_EMAIL: dict[Key, str] = {
    ("salesforce", "contact"): "Email", ("salesforce", "lead"): "Email", ("mysql", "customers"): "email",
}  # fmt: skip
_PHONE: dict[Key, str] = {
    ("salesforce", "account"): "Phone", ("salesforce", "contact"): "MobilePhone", ("salesforce", "lead"): "Phone",
    ("mysql", "customers"): "phone",
}  # fmt: skip
_PLACE: dict[Key, tuple[str, str | None, str, str, str, str]] = {
    ("salesforce", "account"): (
        "BillingStreet", None, "BillingCity", "BillingState", "BillingPostalCode", "BillingCountry",
    ),
    ("salesforce", "contact"): (
        "MailingStreet", None, "MailingCity", "MailingState", "MailingPostalCode", "MailingCountry",
    ),
    ("salesforce", "lead"): ("Street", None, "City", "State", "PostalCode", "Country"),
    ("mysql", "addresses"): ("line1", "line2", "city", "state", "postcode", "country"),
}  # fmt: skip
_NEXT_ORDER = {"placed": ("paid", "paid", "cancelled"), "paid": ("shipped",), "shipped": ("delivered",),
               "delivered": ("refunded",), "cancelled": ("cancelled",), "refunded": ("refunded",)}  # fmt: skip
_NEXT_TICKET = {"open": ("pending", "solved"), "pending": ("solved", "open"), "solved": ("closed", "closed", "open"),
                "closed": ("closed",)}  # fmt: skip
# Greek and all later Unicode blocks: not Latin.
_FIRST_OTHER_SCRIPT = 0x370


def update(rng: Random, key: Key, frame: Frame, world: World, events: Events, day: Day) -> None:
    """Turn copies of records into their next version, in place; the cursor moves into the day."""
    timestamp = within(rng, height(frame), day)
    if key == ("mysql", "orders"):
        frame["status"] = _advance(rng, frame["status"], _NEXT_ORDER)
    elif key == ("tickets", "ticket"):
        _answer(rng, frame, timestamp)
    elif key == ("mysql", "order_items"):
        _relabel(frame)
    else:
        _correct(rng, key, frame, world, events)
    if key == ("salesforce", "lead"):
        moved_on = chance(rng, height(frame), 0.3)
        frame["Status"][moved_on] = text(LEAD_STATUSES)[rng.integers(1, 4, int(moved_on.sum()))]
    frame[OBJECTS[key].cursor] = timestamp


def _advance(rng: Random, status: Text, steps: dict[str, tuple[str, ...]]) -> Text:
    dice = rng.integers(0, 12, len(status)).tolist()
    return text(steps[value][k % len(steps[value])] for value, k in zip(status.tolist(), dice, strict=True))


def _answer(rng: Random, frame: Frame, timestamp: Text) -> None:
    """Advance tickets: answered when no longer open, closed when solved or closed."""
    frame["status"] = _advance(rng, frame["status"], _NEXT_TICKET)
    status = frame["status"]
    unanswered = np.isnat(frame["first_response_at"]) & (status != "open")
    frame["first_response_at"][unanswered] = timestamp[unanswered]
    done = (status == "solved") | (status == "closed")
    fresh = done & np.isnat(frame["closed_at"])
    frame["closed_at"][fresh] = timestamp[fresh]
    frame["closed_at"][~done] = NEVER


def _relabel(frame: Frame) -> None:
    frame["category"] = text(f"{value} & Home" if "&" not in value else value for value in frame["category"].tolist())


def _correct(rng: Random, key: Key, frame: Frame, world: World, events: Events) -> None:
    """Apply what changed in the world, and one more correction."""
    size = height(frame)
    rows = frame["_row"].astype(np.int64)
    person = frame["_type"] == "person"
    touched = np.zeros(size, dtype=bool)
    touched[person] = events.people[rows[person]]
    touched[~person] = events.companies[rows[~person]]
    topic = rng.choice(5, size, p=[0.25, 0.2, 0.2, 0.25, 0.1])
    local = _in_own_script(key, frame)
    _names(key, frame, world, rows, person, local, touched | (topic == 0))
    if key in _EMAIL:
        # Only changed or missing values: a correct second mailbox stays.
        column = frame[_EMAIL[key]]
        some = np.flatnonzero(person & ((touched & chance(rng, size, 0.5)) | ((topic == 1) & ~present(column))))
        column[some] = world.people.email[rows[some]]
    if key in _PHONE:
        _phones(rng, frame[_PHONE[key]], world, rows, person, touched | (topic == 2))
    if key in _PLACE:
        _places(rng, key, frame, world, np.flatnonzero(touched | (topic == 3)), local)


def _in_own_script(key: Key, frame: Frame) -> Flags:
    names = frame[_NAMES[key][1]] if key in _NAMES else frame.get("Name", frame.get("city"))
    assert names is not None
    return np.array([bool(name) and ord(name[0]) >= _FIRST_OTHER_SCRIPT for name in names.tolist()], dtype=bool)


def _names(key: Key, frame: Frame, world: World, rows: Ints, person: Flags, local: Flags, some: Flags) -> None:
    """Write the current name without typing errors."""
    people = world.people
    if key in _NAMES:
        for names, own, latin in zip(
            _NAMES[key], (people.given, people.surname), (people.given_latin, people.surname_latin), strict=True
        ):
            for flags, source in ((local, own), (~local, latin)):
                at = np.flatnonzero(some & person & flags)
                frame[names][at] = source[rows[at]]
    company = {"account": "Name", "customers": "company_name"}.get(key[1])
    if company:
        at = np.flatnonzero(some & ~person & ~local)
        frame[company][at] = text(with_form(world.companies, row, 1) for row in rows[at].tolist())


def _phones(rng: Random, column: Text, world: World, rows: Ints, person: Flags, some: Flags) -> None:
    for flags, numbers, home in (
        (person, world.people.mobile, world.people.home), (~person, world.companies.phone, world.companies.home),
    ):  # fmt: skip
        at = np.flatnonzero(some & flags)
        column[at] = format_phones(rng, numbers[rows[at]], home.country[rows[at]], missing=0.0)


def _places(rng: Random, key: Key, frame: Frame, world: World, some: Ints, local: Flags) -> None:
    homes: Addresses = homes_of(world, frame).take(some)
    apart = 1.0 if _PLACE[key][1] else 0.0
    place = write_place(rng, homes, local=local[some], mess=0.0, code_share=0.5, line2_share=apart)
    for column, values in zip(
        _PLACE[key], (place.line1, place.line2, place.city, place.region, place.postcode, place.country), strict=True
    ):
        if column:
            frame[column][some] = values


def due_first(rng: Random, key: Key, frame: Frame, candidates: Ints, events: Events, wanted: int) -> Ints:
    """Choose records to update: first those with changes in the world, then others; at most `wanted`."""
    if "_row" in frame:
        rows = frame["_row"][candidates].astype(np.int64)
        person = frame["_type"][candidates] == "person"
        due = np.zeros(candidates.size, dtype=bool)
        due[person] = events.people[rows[person]]
        due[~person] = events.companies[rows[~person]]
    else:
        due = np.zeros(candidates.size, dtype=bool)
    if key in (("mysql", "orders"), ("tickets", "ticket")):
        status = frame["status"][candidates]
        due = np.isin(status, ["placed", "paid", "shipped", "open", "pending", "solved"])
    order = rng.permutation(candidates.size)
    order = order[np.argsort(~due[order], kind="stable")]
    return candidates[order[:wanted]]
