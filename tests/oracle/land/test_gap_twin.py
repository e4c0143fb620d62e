"""Gaps against two dull twins: squares on paper for what covers a gap, and a list of what raw still lacks."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from duckdb import DuckDBPyConnection
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dataflow.errors import SourceUnavailable
from dataflow.land import read_open_gaps
from dataflow.land.gaps import Gap, covers, gap_of, window_of_gap
from dataflow.settings import Settings
from dataflow.sources import KeyRange, PlannedWindow, Window
from lakehouse import Lake
from tests.lib.deliveries import opened
from tests.lib.fake_source import FakeSource, at, ingest, is_within, with_source

HOURS, KEYS = 4, 4
Square = tuple[int, int]


def intervals(most: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(0, most - 1), st.integers(1, most)).filter(lambda ends: ends[0] < ends[1])


@st.composite
def windows(draw: st.DrawFn) -> PlannedWindow:
    start, until = draw(intervals(HOURS))
    keys = draw(st.none() | intervals(KEYS))
    ranged = None
    if keys is not None:
        # The ends of all keys are open.
        ranged = KeyRange(keys[0] or None, keys[1] if keys[1] < KEYS else None)
    return PlannedWindow("erp", "thing", Window(at(start), at(until)), (), "f", keys=ranged)


def squares(planned: PlannedWindow) -> set[Square]:
    """The hours and keys that a window is, as squares on paper."""
    window = planned.window
    hours = [hour for hour in range(HOURS) if window.start <= at(hour) < window.until]
    return set(itertools.product(hours, [key for key in range(KEYS) if is_within(str(key), planned.keys)]))


@given(landed=st.lists(windows(), max_size=5), of=windows())
def test_what_covers_a_gap_covers_its_squares(landed: list[PlannedWindow], of: PlannedWindow) -> None:
    is_covered = squares(of) <= {square for window in landed for square in squares(window)}
    found = covers(landed, gap_of(of, reason="failed", detail=""))
    # Pieces that overlap askew are not added up: the gap then stays open and is read again, which loses nothing.
    assert is_covered or not found
    if len({window.window for window in landed}) == 1 or not any(window.keys for window in landed):
        assert found == is_covered


Write = tuple[int, float]
Faults = tuple[set[int], set[int], set[int], bool]
"""Hours whose windows fail, keys whose ranges fail, keys of rows left out, and whether nothing can be planned."""

NO_FAULTS: Faults = (set(), set(), set(), False)
KEY = st.integers(0, 11)
RUNS = st.lists(
    st.tuples(
        st.lists(st.tuples(KEY, st.sampled_from([0.1, 0.3, 0.9])), max_size=4),
        st.tuples(
            st.sets(st.integers(0, 12), max_size=2),
            st.sets(KEY, max_size=2),
            st.sets(KEY, max_size=2),
            st.sampled_from([False, False, False, True]),
        ),
        st.sampled_from([1000.0, 2.0]),
    ),
    min_size=1,
    max_size=3,
)


@dataclass
class Place:
    """A lake and its source, for all histories: to make a lake costs more than a history."""

    lake: Lake
    settings: Settings
    source: FakeSource

    def begin(self) -> None:
        """Empty both, and the landing area: runs of two histories bear the same names."""
        tables = ["raw.erp_thing", *(f"ops.{name}" for name in ("gap", "watermark", "completeness"))]

        def clear(con: DuckDBPyConnection) -> None:
            for table in tables:
                con.execute(f"DELETE FROM lake.{table}")

        self.lake.transact(clear, author="", run_id="", message="begin")
        shutil.rmtree(self.settings.landing, ignore_errors=True)
        self.source.rows, self.source.now = {}, at(0)

    def ingest(self, number: int) -> None:
        ingest(self.lake, self.settings, number=number)

    def held(self) -> set[tuple[str, datetime]]:
        return {(key, when) for key, (when, _) in self.source.rows.items()}

    def lacking(self) -> set[tuple[str, datetime]]:
        """What the source holds and raw does not."""
        found = self.lake.con.execute("SELECT _record_key, _changed_at FROM lake.raw.erp_thing").fetchall()
        assert len(found) == len(set(found)), "doubled"
        return self.held() - set(found)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    source = FakeSource(key_ranges=(KeyRange(None, 4), KeyRange(4, 8), KeyRange(8, None)))
    settings = with_source(tmp_path, source, monkeypatch)
    with opened(settings) as lake:
        yield Place(lake, settings, source)


def test_what_raw_lacks_lies_in_an_open_gap_until_it_is_had(place: Place, rounds: Callable[[int, int], int]) -> None:
    @given(runs=RUNS)
    @hypothesis_settings(max_examples=rounds(4, 200))
    def check(runs: list[tuple[list[Write], Faults, float]]) -> None:
        place.begin()
        for number, (writes, faults, slice_hours) in enumerate(runs, start=1):
            work(place.source, writes, slice_hours)
            inject_faults(place.source, faults)
            place.ingest(number)
            gaps = read_open_gaps(place.lake).values()
            assert [row for row in place.lacking() if not any(is_in(row, gap) for gap in gaps)] == []
        inject_faults(place.source, NO_FAULTS)
        place.ingest(len(runs) + 1)
        assert place.lacking() == set()
        assert read_open_gaps(place.lake) == {}

    check()


def work(source: FakeSource, writes: list[Write], slice_hours: float) -> None:
    """Write rows within the hours that pass, and let two hours pass."""
    source.slice_hours = slice_hours
    for key, share in writes:
        source.put(str(key), source.now + timedelta(hours=2 * share))
    source.now += timedelta(hours=2)


def inject_faults(source: FakeSource, faults: Faults) -> None:
    hours, keys, dropped, is_away = faults
    source.failing = {at(hour): [SourceUnavailable("away")] for hour in hours}
    source.failing_keys = {key: [SourceUnavailable("away")] for key in keys}
    source.dropped = {str(key) for key in dropped}
    source.unplannable = [SourceUnavailable("away")] if is_away else []


def is_in(row: tuple[str, datetime], gap: Gap) -> bool:
    """Whether a row that is missing is told of. An object that could not be planned may lack all of it."""
    key, when = row
    again = window_of_gap(gap)
    return again.window.start <= when < again.window.until and is_within(key, again.keys)
