"""Which landed windows, together, are all of a gap."""

import pytest

from dataflow.land.gaps import Gap, covers, gap_of, window_of_gap
from dataflow.sources import KeyRange, PlannedWindow, Window
from tests.lib.fake_source import at

Interval = tuple[float, float] | tuple[float, float, int | None, int | None]


def planned(interval: Interval) -> PlannedWindow:
    start, until, *keys = interval
    window = Window(at(start), at(until))
    return PlannedWindow("erp", "thing", window, (), "f", keys=KeyRange(*keys) if keys else None)


def gap(interval: Interval) -> Gap:
    return gap_of(planned(interval), reason="failed", detail="")


@pytest.mark.parametrize(
    ("windows", "of", "is_whole"),
    [
        ([], (0, 1), False),
        ([(0, 1)], (0, 1), True),
        ([(-5, 5)], (0, 1), True),
        ([(0, 0.5)], (0, 1), False),
        ([(0.5, 1), (0, 0.5)], (0, 1), True),
        ([(0, 0.4), (0.5, 1)], (0, 1), False),
        ([(0, 1, None, 10), (0, 1, 10, None)], (0, 1), True),
        ([(0, 1, None, 10), (0, 1, 11, None)], (0, 1), False),
        # Pieces of different intervals do not add up to one.
        ([(0, 1, None, 10), (0, 2, 10, None)], (0, 1), False),
        ([(0, 1)], (0, 1, 5, 10), True),
        ([(0, 1, 5, 10)], (0, 1, 5, 10), True),
        ([(0, 1, 5, 9)], (0, 1, 5, 10), False),
        ([(0, 1, 5, 10)], (0, 1), False),
    ],
)
def test_what_covers_a_gap(windows: list[Interval], of: Interval, is_whole: bool) -> None:
    assert covers([planned(window) for window in windows], gap(of)) is is_whole


@pytest.mark.parametrize("interval", [(0, 1), (0, 1, 5, None), (0, 1, None, 7)])
def test_a_gap_is_asked_for_again_as_it_was(interval: Interval) -> None:
    again = window_of_gap(gap(interval))
    assert (again.window, again.keys) == (planned(interval).window, planned(interval).keys)
    assert gap_of(again, reason="failed", detail="").gap_id == gap(interval).gap_id
