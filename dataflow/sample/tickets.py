"""Generate support tickets as exported by the help desk."""

from __future__ import annotations

import numpy as np

from dataflow.sample.arrays import Frame, Ints, Random, Text, chance, choose, draw, skewed, take, text
from dataflow.sample.clock import Day
from dataflow.sample.mysql import NEVER, noisy_ips
from dataflow.sample.noise import RATES
from dataflow.sample.views import country_text, format_phones, view_people
from dataflow.sample.world import World

HEADER = (
    "ticket_id", "requester_name", "requester_email", "requester_phone", "ip_address", "subject", "category",
    "priority", "status", "channel", "country", "opened_at", "first_response_at", "closed_at", "updated_at",
)  # fmt: skip
STATUSES: dict[str | None, float] = {"open": 0.12, "pending": 0.10, "solved": 0.28, "closed": 0.50}
_CATEGORIES: dict[str | None, float] = {
    "billing": 0.22, "delivery": 0.24, "returns": 0.14, "account": 0.14, "product": 0.16, "technical": 0.08,
    "other": 0.02,
}  # fmt: skip
_SUBJECTS = {
    "billing": ("Invoice does not match my order", "Charged twice", "Question about VAT", "Payment was refused"),
    "delivery": ("Where is my parcel?", "Delivered to the wrong address", "Delivery date changed", "Box arrived open"),
    "returns": ("Return label does not print", "Refund still missing", "Exchange for another size", "Return window"),
    "account": ("Cannot sign in", "Please change my e-mail", "Delete my account", "Two accounts, one order"),
    "product": ("Missing screws", "Colour differs from the picture", "Spare part wanted", "Is it dishwasher safe?"),
    "technical": ("App closes at checkout", "Error 500 on the order page", "Coupon field missing", "Page stays blank"),
    "other": ("Thank you", "Job application", "Press request", "Suggestion"),
}  # fmt: skip
_TAILS = ("", "", "", "", " - urgent", " (second try)", ", please help", "!!", "; thanks", ' "as advertised"')
_SECOND_LINES = (
    "Please answer soon.",
    "See the attached picture.",
    "Sent from my phone",
    "Order was last week; still waiting",
)
# Requester identities per ticket: a requester opens 2.5 tickets on average.
REQUESTERS_PER_TICKET = 0.4


REQUESTER = (
    "requester_name", "requester_email", "requester_phone", "ip_address", "country", "_entity", "_type", "_row",
    "_country",
)  # fmt: skip


def make_requesters(rng: Random, world: World, rows: Ints) -> Frame:
    """Return one help-desk identity per row of `rows` (people): the values that each of its tickets repeats."""
    people, size = world.people, rows.size
    seen = view_people(rng, people, world.companies, rows, mess=1.3, work_mail=0.04, own_script=0.5)
    country = people.home.country[rows]
    phone = seen.mobile
    borrowed = chance(rng, size, RATES.borrowed_phone)
    phone[borrowed] = people.mobile[rng.integers(0, people.size, int(borrowed.sum()))]
    return {
        "requester_name": _one_line(rng, seen.given, seen.surname),
        "requester_email": seen.email,
        "requester_phone": format_phones(rng, phone, country, missing=0.38),
        "ip_address": people.ip[rows],
        "country": country_text(rng, country, code_share=0.7),
        "_entity": people.entity[rows],
        "_type": text(["person"] * size),
        "_row": rows,
        "_country": country,
    }


def _one_line(rng: Random, given: Text, surname: Text) -> Text:
    """Write given name first, "Surname, Given" or the given name alone; Chinese and Japanese names surname first."""
    form = np.searchsorted([0.86, 0.93, 0.96], rng.random(len(given))).tolist()
    shapes = ("{g} {s}", "{s}, {g}", "{g}", " {g}  {s} ")
    return text(
        f"{s}{g}" if _is_han(s) else shapes[k].format(g=g, s=s)
        for g, s, k in zip(given.tolist(), surname.tolist(), form, strict=True)
    )


def _is_han(name: str) -> bool:
    return "\u4e00" <= name[:1] <= "\u9fff"


def assign_tickets(rng: Random, requesters: int, tickets: int) -> Ints:
    """Give every requester one ticket and the rest to a small share of requesters."""
    first = np.arange(min(requesters, tickets), dtype=np.int64)
    rest = draw(rng, tickets - first.size, skewed(max(requesters, 1), exponent=0.6))
    return rng.permutation(np.concatenate([first, rng.permutation(requesters)[rest] if requesters else rest]))


def make_tickets(rng: Random, requesters: Frame, asked_by: Ints, first: int, day: Day) -> Frame:
    """Return one ticket per row of `asked_by` (rows of `requesters`)."""
    size = asked_by.size
    who = take(requesters, asked_by)
    age = (rng.random(size) ** 2 * (120 * 86_400 if day.first_load else 86_000)).astype(np.int64)
    opened = day.end - age.astype("timedelta64[s]")
    category = choose(rng, size, _CATEGORIES)
    status = choose(
        rng, size, STATUSES if day.first_load else {"open": 0.6, "pending": 0.15, "solved": 0.2, "closed": 0.05}
    )
    answered, closed = progress_times(rng, opened, status, day)
    changed = np.where(np.isnat(closed), np.where(np.isnat(answered), opened, answered), closed)
    ip = who["ip_address"].copy()
    ip[chance(rng, size, 0.1)] = None
    return {
        "ticket_id": text(f"T-{number:08d}" for number in range(first, first + size)),
        "requester_name": who["requester_name"],
        "requester_email": who["requester_email"],
        "requester_phone": who["requester_phone"],
        "ip_address": noisy_ips(rng, ip),
        "subject": _subjects(rng, category),
        "category": category,
        "priority": choose(rng, size, {"low": 0.2, "normal": 0.55, "high": 0.18, "urgent": 0.07}),
        "status": status,
        "channel": choose(rng, size, {"email": 0.5, "web": 0.25, "chat": 0.15, "phone": 0.1}),
        "country": who["country"],
        "opened_at": opened,
        "first_response_at": answered,
        "closed_at": closed,
        "updated_at": changed,
        "_entity": who["_entity"],
        "_type": who["_type"],
        "_row": who["_row"],
        "_country": who["_country"],
    }


def progress_times(rng: Random, opened: Text, status: Text, day: Day) -> tuple[Text, Text]:
    """Draw first response and closing times that match the status; never after the day's end."""
    size = len(opened)
    wait = rng.exponential(6 * 3600, size).astype(np.int64).astype("timedelta64[s]")
    work = rng.exponential(2 * 86_400, size).astype(np.int64).astype("timedelta64[s]")
    answered = np.minimum(opened + wait, day.end)
    closed = np.minimum(answered + work, day.end)
    answered = np.where(status == "open", NEVER, answered)
    closed = np.where((status == "closed") | (status == "solved"), closed, NEVER)
    return answered.astype("datetime64[s]"), closed.astype("datetime64[s]")


def _subjects(rng: Random, category: Text) -> Text:
    dice = rng.integers(0, 2**31, len(category)).tolist()
    broken = chance(rng, len(category), 0.02).tolist()
    return text(
        _SUBJECTS[kind][k % 4] + _TAILS[k // 4 % 10] + (f"\n{_SECOND_LINES[k // 40 % 4]}" if split else "")
        for kind, k, split in zip(category.tolist(), dice, broken, strict=True)
    )
