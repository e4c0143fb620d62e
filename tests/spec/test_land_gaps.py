"""Gaps: what cannot be had whole is on record, holds the watermark back, and is had by a later run."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import ConfigurationError, SourceIncomplete, SourceMalformed, SourceMissing, SourceUnavailable
from dataflow.land import fetch_window, plan_landing, read_open_gaps
from dataflow.settings import Settings
from dataflow.sources import KeyRange
from dataflow.tables.declared import declared_tables
from dataflow.workspace.report import list_gaps
from lakehouse import Lake
from tests.lib.deliveries import company, deliver_pages, opened, person, raw_rows, run
from tests.lib.fake_source import FakeSource, at, ingest, with_source


@dataclass
class Place:
    """A lake, a source, and the settings that join them."""

    lake: Lake
    source: FakeSource
    settings: Settings

    def ingest(self, number: int = 1, **asked: Any) -> list[str]:
        """Run once; returns what was not whole."""
        return sorted(list_gaps(ingest(self.lake, self.settings, number=number, **asked)))

    @property
    def keys(self) -> list[str]:
        return [key for (key,) in raw_rows(self.lake, "erp_thing", "_record_key")]

    @property
    def watermark(self) -> datetime | None:
        row = self.lake.con.execute("SELECT max(cursor_at) FROM lake.ops.watermark").fetchone()
        return row[0] if row else None

    def gaps(self, columns: str = "reason, status, attempts, missing_count") -> list[Any]:
        return self.lake.con.execute(f"SELECT {columns} FROM lake.ops.gap ORDER BY window_from").fetchall()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    source = FakeSource()
    for hour in range(8):
        source.put(str(hour), at(hour + 0.5))
    settings = with_source(tmp_path, source, monkeypatch)
    with opened(settings) as lake:
        yield Place(lake, source, settings)


EVERYTHING = [str(hour) for hour in range(8)]


def test_a_source_that_gives_what_it_promised_leaves_no_gap(place: Place) -> None:
    assert place.ingest() == []
    assert (place.keys, place.gaps()) == (EVERYTHING, [])
    assert place.watermark == at(7.5)


def test_a_dropped_row_is_missed_and_comes_with_the_next_run(place: Place) -> None:
    place.source.dropped = {"3"}
    assert len(place.ingest(1)) == 1
    assert "3" not in place.keys
    assert place.gaps() == [("short", "open", 1, 1)]
    assert place.watermark is None
    assert place.ingest(2) == []
    assert place.keys == EVERYTHING
    assert place.gaps() == [("short", "closed", 1, 1)]
    assert place.watermark == at(7.5)


def test_a_source_that_promises_too_much_is_asked_again_each_time(place: Place) -> None:
    place.source.promised_too_many = 2
    place.ingest(1)
    place.ingest(2)
    # What it handed over is landed; that there is more can only be its owner's word.
    assert place.keys == EVERYTHING
    assert place.gaps() == [("short", "open", 2, 2)]
    place.source.promised_too_many = 0
    assert place.ingest(3) == []
    assert {row[1] for row in place.gaps()} == {"closed"}


BUDGET, AWAY = SourceIncomplete("budget spent"), SourceUnavailable("away")


@pytest.mark.parametrize(("failed", "error"), [(0, AWAY), (2, SourceMalformed("no rows")), (4, BUDGET)])
def test_a_window_that_fails_keeps_no_other_from_landing(place: Place, failed: int, error: Exception) -> None:
    place.source.slice_hours = 2
    windows = [planned.window for planned in plan_landing(place.lake, place.settings).windows]
    assert len(windows) == 5
    place.source.failing = {windows[failed].start: [error]}
    assert place.ingest(1) == [f"erp.thing {windows[failed].label}"]
    landed = [key for key in EVERYTHING if not windows[failed].start <= at(int(key) + 0.5) < windows[failed].until]
    assert place.keys == landed
    assert place.watermark is None or place.watermark < windows[failed].start
    assert [row[:3] for row in place.gaps()] == [("failed", "open", 1)]
    place.source.now = at(11)
    assert place.ingest(2) == []
    assert place.keys == EVERYTHING
    assert place.watermark == at(7.5)
    assert read_open_gaps(place.lake) == {}


def test_a_gap_that_stays_holds_the_watermark_and_counts_its_runs(place: Place) -> None:
    place.source.slice_hours = 2
    place.source.failing = {at(4): [SourceMalformed("no rows")] * 3}
    for number in (1, 2, 3):
        place.ingest(number)
        assert place.watermark == at(3.5)
    # Two windows in all: the first run cut its range elsewhere than those that resumed.
    assert [row[1:3] for row in place.gaps()] == [("open", 2), ("open", 1)]
    place.source.put("late", at(9))
    assert place.ingest(4) == []
    assert read_open_gaps(place.lake) == {}
    assert place.watermark == at(9)


def test_a_source_that_is_away_for_days_leaves_one_gap_that_grows(place: Place) -> None:
    place.source.failing = {at(4): [AWAY] * 3}
    for number in (1, 2, 3):
        place.source.now = at(10 + number)
        place.ingest(number)
    assert place.gaps("attempts, window_until, opened_at = last_seen_at") == [(3, at(13), False)]
    assert place.ingest(4) == []
    assert place.gaps("status") == [("closed",)]
    assert place.keys == EVERYTHING


def test_an_object_that_cannot_be_followed_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, well = FakeSource(name="stuck", unplannable=[ConfigurationError("its keys are negative")]), FakeSource()
    well.put("1", at(1))
    settings = with_source(tmp_path, well, monkeypatch)
    system = settings.sources["erp"]
    settings = settings.model_copy(update={"sources": {"stuck": system, "erp": system}})
    monkeypatch.setattr("dataflow.sources.make_source", lambda name, _: {"stuck": stuck, "erp": well}[name])
    with opened(settings) as lake:
        gaps = list_gaps(ingest(lake, settings))
        assert [key for (key,) in raw_rows(lake, "erp_thing", "_record_key")] == ["1"]
    assert list(gaps) == ["stuck.thing"]
    assert "its keys are negative" in gaps["stuck.thing"]


def test_gaps_of_an_object_that_is_no_longer_declared_are_closed(place: Place) -> None:
    place.source.failing = {at(4): [AWAY]}
    place.ingest(1)
    renamed = {"sources": {"crm": place.settings.sources["erp"]}}
    place.settings = place.settings.model_copy(update=renamed)
    place.source.name = "crm"
    place.lake.ensure([declared_tables(place.settings)["raw.crm_thing"]])
    assert place.ingest(2) == []
    assert place.gaps("source, status") == [("erp", "closed")]


def test_an_object_that_cannot_be_planned_is_a_gap_until_it_can(place: Place) -> None:
    place.source.unplannable = [SourceMissing("no table")]
    assert place.ingest(1) == ["erp.thing"]
    assert place.gaps() == [("unplanned", "open", 1, None)]
    assert place.ingest(2) == []
    assert place.gaps() == [("unplanned", "closed", 1, None)]


def test_an_object_without_news_closes_the_gap_of_its_planning_too(place: Place) -> None:
    place.ingest(1)
    place.source.unplannable = [SourceMissing("no table")]
    place.ingest(2)
    place.source.now = at(0)
    assert place.ingest(3) == []
    assert place.gaps("status") == [("closed",)]


def test_a_range_of_keys_that_fails_is_read_again_alone(place: Place) -> None:
    place.source.key_ranges = (KeyRange(None, 3), KeyRange(3, 6), KeyRange(6, None))
    place.source.failing_keys = {4: [SourceUnavailable("away"), SourceUnavailable("away")]}
    assert place.ingest(1) == ["erp.thing 1970-01-01T000000Z--2026-03-01T100000Z keys 3..6"]
    assert place.keys == ["0", "1", "2", "6", "7"]
    # The ranges that were landed are not read once more, and nothing of this one is left out for it.
    assert place.watermark == at(7.5)
    for number, changed in ((2, "4"), (3, "5")):
        place.source.fetched_keys.clear()
        place.source.now = at(10 + number)
        place.source.put(changed, at(9 + number))
        assert len(place.ingest(number)) == (number == 2)
        assert place.source.fetched_keys == [KeyRange(3, 6), None]
    assert place.keys == EVERYTHING
    assert place.gaps() == [("failed", "closed", 2, None)]
    assert place.watermark == at(12)


def test_a_range_lands_its_windows_and_moves_no_watermark_past_what_was_left_out(place: Place) -> None:
    place.ingest(1, ranges=[(at(4), at(6))])
    assert (place.keys, place.watermark) == (["4", "5"], None)
    place.ingest(2)
    assert (place.keys, place.watermark) == (EVERYTHING, at(7.5))


def test_a_range_resumed_skips_what_is_landed_whole(place: Place) -> None:
    ranges = [(at(hour), at(hour + 2)) for hour in (0, 2, 4, 6)]
    place.source.failing = {at(4): [SourceUnavailable("away")]}
    place.source.dropped = {"2"}
    assert len(place.ingest(1, ranges=ranges, skip_landed=True)) == 2
    place.source.fetched.clear()
    assert place.ingest(2, ranges=ranges, skip_landed=True) == []
    assert sorted(window.start for window in place.source.fetched) == [at(2), at(4)]
    assert place.keys == EVERYTHING
    place.source.fetched.clear()
    place.ingest(3, ranges=ranges, skip_landed=True)
    assert place.source.fetched == []


def test_the_same_run_twice_changes_nothing(place: Place) -> None:
    place.source.dropped = {"3"}
    for number in (1, 2):
        place.ingest(number)
    before = (place.keys, place.gaps("*"), place.watermark)
    place.ingest(3)
    assert (place.keys, place.gaps("*"), place.watermark) == before


def test_a_run_that_died_after_staging_a_short_window_hides_nothing(place: Place) -> None:
    place.source.dropped = {"3"}
    [planned] = plan_landing(place.lake, place.settings).windows
    fetch_window(planned, place.settings, run(1))
    # The next run finds the window staged under the same name, and that it is short.
    place.source.plans = 0
    assert len(place.ingest(2)) == 1
    assert place.ingest(3) == []
    assert place.keys == EVERYTHING


def test_a_day_of_files_that_fails_is_read_again_when_it_is_delivered_anew(tmp_path: Path) -> None:
    settings = company(tmp_path)
    only = settings.model_copy(update={"sources": {"crm": settings.sources["crm"]}})
    deliver_pages(tmp_path / "crm", [person("1")], day="2026-03-01")
    deliver_pages(tmp_path / "crm", [person("2")], day="2026-03-02", promised=2)
    deliver_pages(tmp_path / "crm", [person("3")], day="2026-03-03")
    with opened(only) as lake:
        assert sorted(list_gaps(ingest(lake, only, number=1))) == ["crm.person 2026-03-02"]
        assert [key for (key,) in raw_rows(lake, "crm_person", "_record_key")] == ["1", "3"]
        deliver_pages(tmp_path / "crm", [person("2"), person("4")], day="2026-03-02")
        assert list_gaps(ingest(lake, only, number=2)) == {}
        assert [key for (key,) in raw_rows(lake, "crm_person", "_record_key")] == ["1", "2", "3", "4"]
        assert read_open_gaps(lake) == {}


def test_a_gap_whose_files_were_taken_back_is_over(tmp_path: Path) -> None:
    settings = company(tmp_path)
    only = settings.model_copy(update={"sources": {"crm": settings.sources["crm"]}})
    deliver_pages(tmp_path / "crm", [person("1")], day="2026-03-01")
    [page] = deliver_pages(tmp_path / "crm", [person("2")], day="2026-03-02", promised=2)
    with opened(only) as lake:
        ingest(lake, only, number=1)
        page.unlink()
        assert list_gaps(ingest(lake, only, number=2)) == {}
        assert read_open_gaps(lake) == {}


def test_the_lookback_is_read_again_and_lands_once(place: Place) -> None:
    place.ingest(1)
    place.source.put("late", at(7.5) - timedelta(minutes=5))
    place.source.now = at(12)
    assert place.ingest(2) == []
    assert place.keys == [*EVERYTHING, "late"]


def test_what_was_read_while_a_field_was_hidden_is_read_again_when_it_is_back(place: Place) -> None:
    place.ingest(1)
    for hour in (10.5, 20.5):
        place.source.put("3", at(hour), note=f"of {hour}")
        place.source.hidden, place.source.now = ("note",), at(hour + 1)
        place.ingest(int(hour))
    # Long since beyond the look-back.
    place.source.put("4", at(22.5), note="new")
    place.source.hidden, place.source.now = (), at(23)
    assert place.ingest(21) == []
    start, until = at(7.5) - place.source.lookback, at(21.5)
    assert place.gaps("window_from, window_until, reason, status") == [(start, until, "absent", "open")]
    place.source.fetched.clear()
    place.ingest(22)
    assert place.source.fetched[0].start == start and place.source.fetched[0].until >= until
    notes = [json.loads(payload) for (payload,) in raw_rows(place.lake, "erp_thing", "payload")]
    assert "of 20.5" in [row.get("note") for row in notes if row["id"] == "3"]
    assert [status for (status,) in place.gaps("status")] == ["closed"]
    place.ingest(23)
    assert [status for (status,) in place.gaps("status")] == ["closed"]
