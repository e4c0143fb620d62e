"""Break rows in known ways: which column of which object, and how.

Only delivered copies are broken; the sample keeps the right values, so that a later update of the same record
arrives valid. Customers, orders and accounts that other rows refer to stay valid: a broken row must not
invalidate rows that refer to it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np

from dataflow.sample.arrays import Flags, Frame, Random, Text, blank, height, present
from dataflow.sample.noise import RATES
from dataflow.sample.objects import Key

Breaker = Callable[[Frame, int, int], None]


def _put(column: str, *values: object) -> Breaker:
    def breaks(frame: Frame, row: int, dice: int) -> None:
        frame[column][row] = values[dice % len(values)]

    return breaks


def _malformed_email(column: str) -> Breaker:
    shapes = ("{l}(at){d}", "{l}@@{d}", "{l}@", "@{d}", "{l} {d}", "{l}@{d}..com", "{l}.{d}")

    def breaks(frame: Frame, row: int, dice: int) -> None:
        local, _, domain = (frame[column][row] or "someone@example.org").partition("@")
        frame[column][row] = shapes[dice % len(shapes)].format(l=local, d=domain)

    return breaks


def _negative(column: str) -> Breaker:
    def breaks(frame: Frame, row: int, dice: int) -> None:
        frame[column][row] = -(abs(frame[column][row]) + 1 + dice % 7)

    return breaks


def _closed_before_opened(frame: Frame, row: int, dice: int) -> None:
    frame["closed_at"][row] = frame["opened_at"][row] - np.timedelta64(3600 + dice % 500_000, "s")
    frame["first_response_at"][row] = np.datetime64("NaT", "s")


def _ragged(frame: Frame, row: int, dice: int) -> None:
    """Mark a row to have one field too few or too many; the writer applies it."""
    frame["_ragged"][row] = -1 if dice % 2 else 1


_BAD_IPS = ("999.12.4.300", "10.0.0", "2a0d::1::2", "localhost", "1.2.3.4.5")
_BAD_STATUS = ("???", "9", "Offen", "zzz")

BREAKERS: dict[Key, dict[str, Breaker]] = {
    ("salesforce", "account"): {
        "missing_required": _put("Name", None),
        "wrong_type": _put("NumberOfEmployees", "about fifty", "10-50", "many"),
    },
    ("salesforce", "contact"): {
        "missing_key": _put("Id", None),
        "missing_required": _put("LastName", None),
        "malformed_email": _malformed_email("Email"),
        "impossible_date": _put("Birthdate", "1990-02-30", "1985-13-01", "0000-00-00"),
    },
    ("salesforce", "lead"): {
        "missing_required": _put("LastName", None),
        "malformed_email": _malformed_email("Email"),
        "unknown_status": _put("Status", *_BAD_STATUS),
    },
    ("mysql", "customers"): {
        "missing_key": _put("id", None),
        "missing_required": _put("customer_type", None),
        "malformed_email": _malformed_email("email"),
        "impossible_date": _put("date_of_birth", date(2091, 5, 4), date(1022, 3, 9)),
        "malformed_ip": _put("last_login_ip", *_BAD_IPS),
    },
    ("mysql", "addresses"): {"missing_required": _put("customer_id", None)},
    ("mysql", "orders"): {
        "missing_required": _put("customer_id", None),
        "negative_amount": _negative("total_amount"),
        "unknown_currency": _put("currency", "XXQ", "EURO", "U$"),
        "unknown_status": _put("status", *_BAD_STATUS),
        "dangling_reference": _put("customer_id", 999_999_000_001, 999_999_000_002),
    },
    ("mysql", "order_items"): {
        "missing_required": _put("order_id", None),
        "negative_quantity": _negative("quantity"),
        "negative_amount": _negative("unit_price"),
    },
    ("tickets", "ticket"): {
        "missing_key": _put("ticket_id", None),
        "missing_required": _put("opened_at", None),
        "malformed_email": _malformed_email("requester_email"),
        "impossible_date": _put("opened_at", "2026-13-45 10:00:00", "2026-02-30 09:15:00"),
        "unknown_status": _put("status", *_BAD_STATUS),
        "closed_before_opened": _closed_before_opened,
        "malformed_ip": _put("ip_address", *_BAD_IPS),
        "ragged_row": _ragged,
    },
}


def draw_defects(rng: Random, key: Key, free: Flags) -> Text:
    """Choose rows and their defects: None, or the name of the defect; only `free` rows, each kind in turn."""
    kinds = list(BREAKERS[key])
    size = len(free)
    chosen = blank(size)
    at = np.flatnonzero(free)
    # At least one of each kind, except in a tiny block.
    wanted = min(max(round(size * RATES.defect), len(kinds) if size >= 100 else 0), at.size // 2)
    for turn, row in enumerate(rng.permutation(at)[:wanted].tolist()):
        chosen[row] = kinds[turn % len(kinds)]
    return chosen


def break_rows(rng: Random, key: Key, frame: Frame, defects: Text) -> Frame:
    """Copy a frame with the chosen rows broken; ticket times become text, so that they can be invalid."""
    broken = {name: column.copy() for name, column in frame.items()}
    if key == ("tickets", "ticket"):
        broken["_ragged"] = np.zeros(height(frame), dtype=np.int64)
        broken["opened_at"] = broken["opened_at"].astype(object)
        broken["closed_at"] = broken["closed_at"].astype(object)
    at = np.flatnonzero(present(defects))
    for row, dice in zip(at.tolist(), rng.integers(0, 2**31, at.size).tolist(), strict=True):
        BREAKERS[key][defects[row]](broken, row, dice)
    return broken
