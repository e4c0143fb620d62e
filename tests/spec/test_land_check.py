"""The nightly check: a row that landing lost without noticing is found, at little cost, and had by the next run."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import SourceIncomplete, SourceUnavailable
from dataflow.land import (
    Checked,
    check_object,
    commit,
    commit_windows,
    delete_missing,
    due_objects,
    landing,
    read_open_gaps,
    record_checks,
    sql,
)
from dataflow.settings import Settings
from dataflow.sources import FetchReport
from dataflow.workspace.report import list_gaps
from lakehouse import Lake
from tests.lib.deliveries import company, deliver_pages, opened, person, raw_rows, run
from tests.lib.fake_source import SurveyingSource, at, ingest, with_source

NAME = ("erp", "thing")
ROWS = 5_000


def disable_the_check_of_windows(patch: pytest.MonkeyPatch) -> None:
    """Land short windows as if they were whole."""

    def none(_: FetchReport) -> int:
        return 0

    for module in (landing, commit):
        patch.setattr(module, "shortfall", none)


@dataclass
class Place:
    """A lake, a source that can count for itself, and the settings that join them."""

    lake: Lake
    source: SurveyingSource
    settings: Settings

    def fill(self, rows: int = ROWS) -> None:
        for number in range(rows):
            self.source.put(f"{number:05}", at(number * 8 / rows))
        self.source.put("last", at(9))

    def check(self, number: int = 2) -> Checked:
        self.source.questions = 0
        found = check_object(self.lake, self.settings, NAME, run(number))
        record_checks(self.lake, [found], run(number))
        return found

    def ingest(self, number: int) -> list[str]:
        return sorted(list_gaps(ingest(self.lake, self.settings, number=number)))

    def ask_for_keys(self, number: int) -> int:
        return delete_missing(self.lake, self.settings, NAME, run(number)).inserted

    def landed(self, where: str = "true") -> list[str]:
        found = self.lake.con.execute(f"SELECT _record_key FROM lake.raw.erp_thing WHERE {where} ORDER BY ALL")
        return [key for (key,) in found.fetchall()]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    source = SurveyingSource()
    settings = with_source(tmp_path, source, monkeypatch, anti_join_every_days=7)
    with opened(settings) as lake:
        yield Place(lake, source, settings)


@pytest.mark.parametrize("counts_only", [False, True], ids=["fingerprints", "counts only"])
def test_a_dropped_row_is_noticed_by_the_check_and_repaired_by_the_next_run(
    place: Place, monkeypatch: pytest.MonkeyPatch, counts_only: bool
) -> None:
    place.source.counts_only = counts_only
    place.fill()
    place.source.dropped = {"01234"}
    disable_the_check_of_windows(monkeypatch)
    assert place.ingest(1) == []
    assert "01234" not in place.landed()
    found = place.check()
    [gap] = found.gaps
    assert (gap.reason, gap.missing_count) == ("missing", 1)
    assert list_gaps([found.report()])
    # Less than the table was read, and few questions were asked.
    assert (found.rows_read < ROWS / 2, found.questions < 10) == (True, True)
    assert found.questions == place.source.questions
    assert place.ingest(3) == []
    assert "01234" in place.landed()
    assert read_open_gaps(place.lake) == {}
    assert place.check(4).gaps == ()


def test_nothing_missing_takes_one_question(place: Place) -> None:
    place.fill(100)
    place.ingest(1)
    found = place.check()
    assert (found.gaps, found.questions, found.rows_read) == ((), 1, 0)
    assert (found.at_source.count, found.at_source) == (101, found.in_raw)
    assert (found.in_doubt, found.report().facts.get("gap")) == ((), None)
    compared = "SELECT comparison, source_count, raw_count FROM lake.ops.completeness ORDER BY 1"
    assert place.lake.con.execute(compared).fetchall() == [("ahead", 0, 0), ("landing", 101, 101), ("range", 101, 101)]


def test_what_was_never_landed_is_not_missing(place: Place) -> None:
    place.fill(10)
    assert (place.check().questions, place.check().gaps) == (0, ())
    place.ingest(1)
    place.source.put("new", at(9.5))
    assert place.check().gaps == ()


def test_a_row_committed_later_than_any_look_back_is_found(place: Place) -> None:
    place.fill(100)
    place.ingest(1)
    place.source.put("late", at(2) + timedelta(milliseconds=1))
    place.source.now = at(20)
    assert place.ingest(2) == []
    assert place.landed("_record_key = 'late'") == []
    assert [gap.missing_count for gap in place.check(3).gaps] == [1]
    assert place.ingest(4) == []
    assert place.landed("_record_key = 'late'") == ["late"]


def test_records_that_moved_on_or_went_are_no_gap(place: Place) -> None:
    place.fill(100)
    place.ingest(1)
    place.source.put("00010", at(9.5))
    place.source.put("00011", at(1), is_deleted=True)
    place.source.remove("00012")
    [gap] = place.check().gaps
    # What was marked as deleted without a new version is a version that raw lacks.
    assert gap.missing_count == 1
    place.ingest(3)
    assert place.landed("_is_deleted") == ["00011"]
    assert place.check(4).gaps == ()


def test_many_ranges_that_differ_are_one_gap(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.fill()
    place.source.dropped = {f"{number:05}" for number in range(100, ROWS, 100)}
    disable_the_check_of_windows(monkeypatch)
    place.ingest(1)
    monkeypatch.setattr("dataflow.land.check.LEAF_ROWS", 20)
    [gap] = place.check().gaps
    assert gap.missing_count == 49
    assert place.ingest(3) == []
    assert len(set(place.landed())) == ROWS + 1


def test_a_check_that_has_asked_enough_leaves_the_rest_to_reading(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.fill()
    place.source.dropped = {"00100", "04900"}
    disable_the_check_of_windows(monkeypatch)
    place.ingest(1)
    monkeypatch.setattr("dataflow.land.check.LEAF_ROWS", 20)
    monkeypatch.setattr("dataflow.land.check.MOST_SURVEYS", 4)
    found = place.check()
    assert found.questions <= 5
    assert place.ingest(3) == []
    assert len(set(place.landed())) == ROWS + 1


def test_the_check_of_files_reads_them_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = company(tmp_path)
    only = settings.model_copy(update={"sources": {"crm": settings.sources["crm"]}})
    for day in ("01", "02"):
        pages = [person(f"a{day}"), person(f"b{day}"), person("timeless", at="soon")]
        deliver_pages(tmp_path / "crm", pages, day=f"2026-03-{day}")
    with opened(only) as lake:
        whole = sql.insert_sql
        monkeypatch.setattr(sql, "insert_sql", lambda *given: whole(*given) + " WHERE s.record_key <> 'b02'")
        monkeypatch.setattr(landing, "_check", lambda *_: None)
        ingest(lake, only, number=1)
        monkeypatch.undo()
        deliver_pages(tmp_path / "crm", [person("not landed")], day="2026-03-03")
        found = check_object(lake, only, ("crm", "person"), run(2))
        assert [(gap.window.label, gap.missing_count) for gap in found.gaps] == [("2026-03-02", 1)]
        record_checks(lake, [found], run(2))
        assert list_gaps(ingest(lake, only, number=3)) == {}
        keys = [key for (key,) in raw_rows(lake, "crm_person", "_record_key")]
        assert keys == ["a01", "a02", "b01", "b02", "not landed", "timeless"]
        assert read_open_gaps(lake) == {}
        assert commit_windows(lake, [], run(4)) == []


class TestRowsStampedAhead:
    def test_they_are_counted_and_make_the_check_incomplete(self, place: Place) -> None:
        place.fill(10)
        place.source.put("skewed", at(10) + timedelta(seconds=30))
        place.source.put("2099", at(24 * 365 * 73))
        assert place.ingest(1) == []
        found = place.check()
        assert found.ahead is not None
        assert (found.ahead.count, found.gaps) == (1, ())
        assert (
            "1 row of the source is stamped after 2026-03-01 10:01:00 UTC" in list_gaps([found.report()])["erp.thing"]
        )
        recorded = "SELECT source_count, raw_count FROM lake.ops.completeness WHERE comparison = 'ahead'"
        assert place.lake.con.execute(recorded).fetchall() == [(1, 0)]

    def test_a_table_that_is_ahead_as_a_whole_is_not_complete(self, place: Place) -> None:
        place.source.put("1", at(12))
        assert (place.ingest(1), place.landed()) == ([], [])
        assert "1 row of the source is stamped after" in list_gaps([place.check().report()])["erp.thing"]


class TestRecordsThatWentWithoutAWord:
    @pytest.mark.parametrize("counts_only", [False, True], ids=["fingerprints", "counts only"])
    def test_the_check_finds_them_and_asks_for_few_keys(self, place: Place, counts_only: bool) -> None:
        place.source.counts_only = counts_only
        place.fill()
        place.ingest(1)
        place.source.remove("00100", "last")
        found = place.check()
        assert found.gaps == ()
        report = delete_missing(place.lake, place.settings, NAME, run(3), within=found.in_doubt)
        assert (report.inserted, place.landed("_is_deleted")) == (2, ["00100", "last"])
        assert place.source.keys_asked == report.rows_in < ROWS
        assert place.check(4).in_doubt == ()
        # Not all keys were asked for: that stays due as declared.
        assert due_objects(place.lake, place.settings, now=run(4).now) == [NAME]

    def test_a_record_that_moved_on_is_in_doubt_and_is_not_deleted(self, place: Place) -> None:
        place.fill(10)
        place.ingest(1)
        place.source.put("00003", at(9.9))
        found = place.check()
        assert delete_missing(place.lake, place.settings, NAME, run(3), within=found.in_doubt).inserted == 0

    def test_a_range_that_is_empty_at_the_source_is_in_doubt(self, place: Place) -> None:
        place.fill(10)
        place.ingest(1)
        place.source.remove(*place.source.rows)
        found = place.check()
        assert delete_missing(place.lake, place.settings, NAME, run(3), within=found.in_doubt).inserted == 11

    def test_they_are_deleted_once(self, place: Place) -> None:
        place.fill(10)
        place.ingest(1)
        place.source.remove("00003", "00007")
        assert place.ask_for_keys(2) == 2
        rows = "_record_key, _is_deleted, _changed_at, payload, _defect"
        gone = place.lake.con.execute(
            f"SELECT {rows} FROM lake.raw.erp_thing WHERE _is_deleted ORDER BY ALL"
        ).fetchall()
        assert gone == [
            ("00003", True, run(2).now, '{"id": "00003"}', None),
            ("00007", True, run(2).now, '{"id": "00007"}', None),
        ]
        assert place.ask_for_keys(3) == 0
        assert len(place.landed()) == 13

    def test_one_that_comes_back_lives_again(self, place: Place) -> None:
        place.fill(10)
        place.ingest(1)
        place.source.remove("00003")
        place.ask_for_keys(2)
        back = run(2).now + timedelta(hours=1)
        place.source.now = back + timedelta(hours=1)
        place.source.put("00003", back)
        place.ingest(3)
        assert place.ask_for_keys(4) == 0
        place.source.remove("00003")
        later = run(5)
        report = delete_missing(place.lake, place.settings, NAME, later)
        # Its version is ahead of our clock: the deletion ends it all the same.
        assert report.inserted == 1
        newest = place.lake.con.execute(
            "SELECT _is_deleted FROM lake.raw.erp_thing WHERE _record_key = '00003'"
            " ORDER BY _changed_at DESC, _is_deleted DESC LIMIT 1"
        ).fetchone()
        assert newest == (True,)

    def test_too_many_are_not_believed(self, place: Place) -> None:
        place.fill(1_000)
        place.ingest(1)
        place.source.rows.clear()
        with pytest.raises(SourceIncomplete, match="1001 of 1001 records would be deleted, and at most 100"):
            place.ask_for_keys(2)
        assert place.landed("_is_deleted") == []

    def test_a_source_that_cannot_answer_deletes_nothing(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        place.fill(10)
        place.ingest(1)

        def breaks(*_: Any) -> Iterator[str]:
            yield "00001"
            raise SourceUnavailable("cut off")

        monkeypatch.setattr(place.source, "missing_keys", breaks)
        with pytest.raises(SourceUnavailable):
            place.ask_for_keys(2)
        assert place.landed("_is_deleted") == []

    def test_they_are_asked_for_as_often_as_declared(self, place: Place) -> None:
        place.fill(10)
        place.ingest(1)
        assert due_objects(place.lake, place.settings, now=run(1).now) == [NAME]
        place.ask_for_keys(1)
        for days, due in ((0, []), (6, []), (6.97, [NAME]), (8, [NAME])):
            now = run(1).now + timedelta(days=days)
            assert due_objects(place.lake, place.settings, now=now) == due

    def test_a_composite_key_is_told_field_by_field(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = SurveyingSource()
        settings = with_source(tmp_path, source, monkeypatch, key="id, note")
        with opened(settings) as lake:
            source.put("a%7Cb|c", at(1))
            ingest(lake, settings)
            source.remove("a%7Cb|c")
            delete_missing(lake, settings, NAME, run(2))
            [(payload,)] = lake.con.execute("SELECT payload FROM lake.raw.erp_thing WHERE _is_deleted").fetchall()
        assert payload == '{"id": "a|b", "note": "c"}'
