"""A backfill's range, cut into ranges that meet and do not overlap."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.errors import UsageError
from flows.kinds import split_range

DAYS = st.dates(min_value=date(2020, 1, 1), max_value=date(2026, 12, 31))


@given(start=DAYS, length=st.integers(0, 400), window=st.integers(1, 500))
def test_ranges_cover_the_range_once(start: date, length: int, window: int) -> None:
    end = start + timedelta(days=length)
    ranges = split_range(start, end, window_days=window)
    assert ranges[0][0] == datetime(start.year, start.month, start.day, tzinfo=UTC)
    assert ranges[-1][1].date() == end + timedelta(days=1)
    assert all(before[1] == after[0] for before, after in pairwise(ranges))
    assert all(timedelta(0) < until - since <= timedelta(days=window) for since, until in ranges)


@pytest.mark.parametrize(
    ("start", "end", "window", "words"),
    [
        (date(2026, 1, 2), date(2026, 1, 1), 7, "ends before it starts"),
        (date(2026, 1, 1), date(2026, 1, 2), 0, "at least one day"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(start: date, end: date, window: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        split_range(start, end, window_days=window)
