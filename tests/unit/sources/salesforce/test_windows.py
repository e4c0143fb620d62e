"""Which interval of the org's time a run reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from dataflow.settings import ObjectSettings
from dataflow.sources.protocol import BEGINNING, ObjectState, Window
from dataflow.sources.salesforce.windows import choose_window, cut, fingerprint

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEN_MINUTES = timedelta(minutes=10)


def declare(**given: Any) -> ObjectSettings:
    return ObjectSettings(key="Id", cursor="SystemModstamp", fields={"Id": "VARCHAR"}, **given)


def ago(**apart: float) -> datetime:
    return NOW - timedelta(**apart)


@pytest.mark.parametrize(
    ("state", "since", "until", "window"),
    [
        (ObjectState(), None, None, (BEGINNING, NOW)),
        (ObjectState(watermark=ago(hours=1)), None, None, (ago(hours=1, minutes=10), NOW)),
        (ObjectState(watermark=ago(days=400)), None, None, (ago(days=400, minutes=10), NOW)),
        (ObjectState(watermark=ago(hours=1)), ago(days=2), None, (ago(days=2), NOW)),
        (ObjectState(watermark=ago(hours=1)), ago(days=2), ago(days=1), (ago(days=2), ago(days=1))),
        (ObjectState(), None, ago(days=1), (BEGINNING, ago(days=1))),
        (ObjectState(), None, NOW + timedelta(days=1), (BEGINNING, NOW)),
        (ObjectState(watermark=NOW), NOW, None, None),
        (ObjectState(), ago(days=1), ago(days=2), None),
    ],
)
def test_the_window(state: ObjectState, since: datetime, until: datetime, window: Any) -> None:
    chosen = choose_window(declare(), state, NOW, lookback=TEN_MINUTES, since=since, until=until)
    assert chosen == (Window(*window) if window else None)


@pytest.mark.parametrize(
    ("hours", "last", "whole"), [(0, None, False), (24, None, True), (24, 23, False), (24, 24, True), (24, 100, True)]
)
def test_all_is_read_again_on_schedule(hours: float, last: float | None, whole: bool) -> None:
    read = None if last is None else ago(hours=last)
    state = ObjectState(watermark=ago(minutes=5), read_whole_at=read)
    declared = declare(reread_every_hours=hours)
    chosen = choose_window(declared, state, NOW, lookback=TEN_MINUTES, since=None, until=None)
    assert chosen is not None
    assert (chosen.start == BEGINNING) is whole


def test_a_big_load_is_cut_where_its_rows_are() -> None:
    # 1000 rows in the first hour, one a second in the last 1000 seconds
    timestamps = [ago(days=30) + timedelta(seconds=3.6 * n) for n in range(1000)] + [
        ago(seconds=n) for n in range(1, 1001)
    ]
    asked: list[Window] = []

    def count(window: Window) -> int:
        asked.append(window)
        return sum(window.start <= timestamp < window.until for timestamp in timestamps)

    whole = Window(BEGINNING, NOW)
    pieces = list(cut(whole, len(timestamps), earliest=min(timestamps), limit=400, count=count))
    assert pieces[0][0].start == BEGINNING
    assert all(one.until == other.start for (one, _), (other, _) in pairwise(pieces))
    assert pieces[-1][0].until == NOW
    assert all(rows == count(piece) and rows <= 400 for piece, rows in pieces)
    assert sum(rows for _, rows in pieces) == len(timestamps)


def test_a_single_second_is_not_cut_and_asking_ends() -> None:
    timestamp = ago(days=3)

    def count(window: Window) -> int:
        return 1000 if window.start <= timestamp < window.until else 0

    pieces = list(cut(Window(BEGINNING, NOW), 1000, earliest=timestamp, limit=10, count=count))
    assert sum(rows for _, rows in pieces) == 1000


def test_the_fingerprint_tells_windows_and_declarations_apart_but_not_rules() -> None:
    window = Window(BEGINNING, NOW)
    one = fingerprint("sf", "contact", declare(), window, NOW)
    assert fingerprint("sf", "contact", declare(checks=[{"rule": "email"}]), window, NOW) == one
    assert fingerprint("sf", "contact", declare(on_drift="freeze"), window, NOW) != one
    assert fingerprint("sf", "contact", declare(), window, NOW + timedelta(seconds=1)) != one
