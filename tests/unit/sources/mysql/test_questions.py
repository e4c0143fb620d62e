"""Which rows a window asks for: bounds in the column's own zone, keys as versions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.sources import KeyRange, PlannedWindow, Window
from dataflow.sources.key_versions import version_of_key
from dataflow.sources.mysql.columns import Column
from dataflow.sources.mysql.questions import Table, condition, local_bounds
from dataflow.sources.protocol import BEGINNING, END
from tests.lib.deliveries import ITEM

HOUR = timedelta(hours=1)


def table(*columns: Column, key: str = "id", cursor: str = "updated_at", zone: str = "UTC") -> Table:
    declared = ITEM.model_copy(update={"key": key, "cursor": cursor})
    return Table("item", "it`em", declared, columns, zone)


ID = Column("id", "BIGINT", "bigint")
UPDATED = Column("updated_at", "TIMESTAMP", "datetime")


def asked(window: Window, keys: KeyRange | None = None, *, of: Table | None = None) -> str:
    return condition(of or table(ID, UPDATED), PlannedWindow("shop", "item", window, (), "f", keys=keys))


def test_a_window_is_closed_at_its_start_and_open_at_its_end() -> None:
    window = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, 0, 0, 0, 5, tzinfo=UTC))
    assert asked(window) == (
        "((`updated_at` >= '2026-03-01 00:00:00.000000' AND `updated_at` < '2026-03-02 00:00:00.000005')"
        " OR `updated_at` < '1970-01-01' OR `updated_at` IS NULL)"
    )


def test_a_range_of_keys_is_a_further_condition() -> None:
    found = asked(Window.of_all_time(), KeyRange(5, None))
    assert found.startswith("`id` >= 5 AND ((`updated_at`")


def test_an_object_that_follows_its_key_asks_for_keys() -> None:
    following = table(ID, cursor="id")
    assert following.follows_key
    assert asked(Window(version_of_key(7), version_of_key(9)), of=following) == "`id` >= 7 AND `id` < 9"
    assert asked(Window.of_all_time(), of=following) == "TRUE"


def test_utc_bounds_are_the_windows_own() -> None:
    window = Window(BEGINNING, END)
    assert local_bounds(window, zone="UTC") == ("1970-01-01 00:00:00.000000", "9999-12-31 00:00:00.000000")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
@given(
    start=st.datetimes(datetime(2025, 1, 1), datetime(2026, 12, 31)),  # noqa: DTZ001 (made UTC below)
    minutes=st.integers(1, 600),
    inside=st.floats(0, 0.999),
)
def test_local_bounds_lose_no_row_when_clocks_change(zone: str, start: datetime, minutes: int, inside: float) -> None:
    window = Window(start.replace(tzinfo=UTC), start.replace(tzinfo=UTC) + timedelta(minutes=minutes))
    written = window.start + (window.until - window.start) * inside
    naive = written.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S.%f")
    earliest, latest = local_bounds(window, zone=zone)
    assert earliest <= naive < latest


def test_local_bounds_take_in_little_more() -> None:
    window = Window(datetime(2026, 7, 1, 12, tzinfo=UTC), datetime(2026, 7, 1, 13, tzinfo=UTC))
    assert local_bounds(window, zone="Europe/Berlin") == ("2026-07-01 14:00:00.000000", "2026-07-01 15:00:00.000000")
