"""Committing: rows, watermark, files and completeness in one transaction."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import ConservationError
from dataflow.land import (
    FetchedWindow,
    commit_what_holds,
    commit_window,
    commit_windows,
    fetch_window,
    plan_windows,
    sql,
)
from dataflow.settings import Settings
from dataflow.sources import open_source
from dataflow.sources.protocol import BEGINNING
from dataflow.workspace.report import list_gaps, list_notes
from lakehouse import Lake
from tests.lib.deliveries import (
    company,
    deliver_csv,
    deliver_deleted,
    deliver_pages,
    land,
    opened,
    person,
    raw_rows,
    run,
)

MORNING = "2026-03-01T09:00:00.000+0000"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return company(tmp_path)


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with opened(settings) as lake:
        yield lake


def fetch(lake: Lake, settings: Settings, number: int = 1) -> list[FetchedWindow]:
    return [fetch_window(planned, settings, run(number)) for planned in plan_windows(lake, settings, source="crm")]


def rows(lake: Lake, table: str, columns: str) -> list[Any]:
    return lake.con.execute(f"SELECT {columns} FROM lake.ops.{table} ORDER BY ALL").fetchall()


def test_rows_carry_their_lineage(lake: Lake, settings: Settings) -> None:
    deliver_pages(settings.home / "crm", [person("1", at=MORNING)])
    deliver_deleted(settings.home / "crm", {"id": "2", "deletedDate": MORNING})
    [report] = land(lake, settings, source="crm")
    columns = "_record_key, _is_deleted, _run_id, _source, _object, _extracted_at, _changed_at, _locator, _defect"
    at = datetime(2026, 3, 1, 9, tzinfo=UTC)
    # Of the windows of a run, a later one counts as read later.
    read_at = run(1).now + timedelta(microseconds=(at - BEGINNING).days)
    common = ("run-1", "crm", "person", read_at, at)
    assert raw_rows(lake, "crm_person", columns) == [
        ("1", False, *common, "Person/2026-03-01/page-0001.json#record=1", None),
        ("2", True, *common, "Person/2026-03-01/deleted.json#record=1", None),
    ]
    assert (report.rows_in, report.rows_out, report.merged, report.inserted) == (2, 2, 0, 2)
    assert report.facts["deleted"] == 1
    assert report.watermark == at


def test_the_hash_is_of_the_payload(lake: Lake, settings: Settings) -> None:
    deliver_pages(settings.home / "crm", [person("1"), person("")])
    land(lake, settings, source="crm")
    assert raw_rows(lake, "crm_person", "bool_and(_row_hash = md5(payload)) OVER () ")[0] == (True,)


def test_what_is_written_beside_the_rows(lake: Lake, settings: Settings) -> None:
    deliver_pages(settings.home / "crm", [person("1", at=MORNING), person("1", at=MORNING)])
    land(lake, settings, source="crm")
    start, until = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
    assert rows(lake, "completeness", "window_from, window_until, source_count, raw_count, appended_count") == [
        (start, until, 1, 1, 1)
    ]
    assert rows(lake, "completeness", "source_fingerprint = raw_fingerprint") == [(True,)]
    assert rows(lake, "landed_file", "path, row_count, landed_at, _run_id") == [
        ("Person/2026-03-01/page-0001.json", 2, run(1).now, "run-1")
    ]
    assert rows(lake, "watermark", "cursor_at") == [(datetime(2026, 3, 1, 9, tzinfo=UTC),)]


def test_the_completeness_row_says_what_the_source_says(lake: Lake, settings: Settings) -> None:
    deliver_pages(settings.home / "crm", [person("1"), person("2"), person("")])
    [fetched] = fetch(lake, settings)
    measured = open_source(settings, "crm").measure(fetched.planned)
    commit_window(lake, fetched, run())
    assert rows(lake, "completeness", "source_count, raw_fingerprint") == [(measured.count, measured.fingerprint)]


def test_many_windows_and_objects_are_one_commit(lake: Lake, settings: Settings) -> None:
    for number in range(1, 6):
        day = f"2026-03-0{number}"
        deliver_pages(settings.home / "crm", [person("1", at=f"{day}T01:00:00Z"), person("same", at=MORNING)], day=day)
        deliver_csv(settings.home / "desk", f"ticket_id,subject,updated_at\n1,a,{day}\n", day=day)
    before = len(lake.snapshots())
    fetched = [
        fetch_window(p, settings, run()) for s in ("crm", "desk") for p in plan_windows(lake, settings, source=s)
    ]
    reports = commit_windows(lake, list(reversed(fetched)), run())
    assert len(lake.snapshots()) == before + 1
    assert [report.subject for report in reports] == [f.planned.subject for f in reversed(fetched)]
    assert {report.subject: (report.rows_out, report.merged) for report in reports} == {
        "crm.person 2026-03-01": (2, 0),
        **{f"crm.person 2026-03-0{number}": (1, 1) for number in range(2, 6)},
        **{f"desk.ticket 2026-03-0{number}": (1, 0) for number in range(1, 6)},
    }
    assert len(raw_rows(lake, "crm_person")) == 6
    assert lake.snapshot().message == "land crm.person, desk.ticket 2026-03-01 to 2026-03-05"


def test_one_by_one_or_at_once_is_the_same(tmp_path: Path) -> None:
    seen = []
    for name, at_once in (("a", True), ("b", False)):
        settings = company(tmp_path / name)
        for number in range(1, 4):
            deliver_pages(settings.home / "crm", [person("same", at=MORNING), person("x")], day=f"2026-03-0{number}")
        with opened(settings) as lake:
            fetched = fetch(lake, settings)
            if at_once:
                commit_windows(lake, fetched, run())
            else:
                for window in fetched:
                    commit_window(lake, window, run())
            seen.append(
                (raw_rows(lake, "crm_person", "*"), rows(lake, "completeness", "*"), rows(lake, "watermark", "*"))
            )
    assert seen[0] == seen[1]


def test_the_watermark_never_moves_back_nor_past_its_window(lake: Lake, settings: Settings) -> None:
    def reached(day: str, at: str) -> datetime:
        deliver_pages(settings.home / "crm", [person(day, at=at)], day=day)
        land(lake, settings, source="crm")
        return rows(lake, "watermark", "cursor_at")[0][0]

    second = datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert reached("2026-03-02", "2026-03-02T09:00:00Z") == second
    assert reached("2026-03-01", "2026-03-01T09:00:00Z") == second
    assert reached("2026-03-03", "2099-01-01T00:00:00Z") == second
    assert len(rows(lake, "watermark", "*")) == 1


def test_rows_without_version_land_once(lake: Lake, settings: Settings) -> None:
    home = settings.home / "crm"
    deliver_pages(home, [person("1", at="soon"), person("1", at="soon")])
    land(lake, settings, source="crm")
    assert rows(lake, "watermark", "*") == []
    deliver_pages(home, [person("1", at="soon")], day="2026-03-02")
    land(lake, settings, source="crm")
    assert raw_rows(lake, "crm_person", "_record_key, _changed_at") == [("1", None)]


def test_an_empty_window_is_on_record(lake: Lake, settings: Settings) -> None:
    deliver_pages(settings.home / "crm", [])
    [report] = land(lake, settings, source="crm")
    assert (report.rows_in, report.rows_out) == (0, 0)
    assert rows(lake, "completeness", "source_count, raw_count, raw_fingerprint") == [(0, 0, "0")]
    assert plan_windows(lake, settings, source="crm") == []


def test_nothing_to_commit_is_no_commit(lake: Lake, settings: Settings) -> None:
    before = lake.snapshot().id
    assert commit_windows(lake, [], run()) == []
    assert lake.snapshot().id == before


def test_a_row_that_does_not_arrive_stops_the_commit(
    lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver_pages(settings.home / "crm", [person("1"), person("2")])
    [fetched] = fetch(lake, settings)
    before = lake.snapshot().id
    whole = sql.insert_sql
    monkeypatch.setattr(sql, "insert_sql", lambda *given: whole(*given) + " WHERE s.record_key <> '2'")
    with pytest.raises(ConservationError, match=r"source holds 2 versions .* raw would hold 1"):
        commit_window(lake, fetched, run())
    assert lake.snapshot().id == before
    assert raw_rows(lake, "crm_person") == []
    monkeypatch.undo()
    assert commit_window(lake, fetched, run()).rows_out == 2


def test_drift_and_notes_are_facts_of_the_report(lake: Lake, settings: Settings) -> None:
    deliver_csv(settings.home / "desk", "ticket_id;subject;updated_at;colour\n1;a;2026-03-01;red\n")
    (settings.home / "desk" / "2026-03-01" / "b.csv").write_text("")
    [report] = land(lake, settings, source="desk")
    assert report.facts["drift"] == "new colour"
    assert list_notes([report]) == ["2026-03-01/b.csv: empty file"]
    assert report.facts["formats"] == {"2026-03-01/a.csv": "utf-8, semicolon, double quotes"}


def test_an_object_whose_staged_rows_cannot_be_read_stops_no_other(lake: Lake, settings: Settings) -> None:
    deliver_pages(settings.home / "crm", [person("1", at=MORNING)])
    deliver_csv(settings.home / "desk", "ticket_id,subject,updated_at\n1,a,2026-03-01\n")
    planned = [*plan_windows(lake, settings, source="crm"), *plan_windows(lake, settings, source="desk")]
    staged = [fetch_window(one, settings, run()) for one in planned]
    staged[1].file.write_bytes(b"PAR1 and then the disk was full PAR1")
    reports = commit_what_holds(lake, staged, run())
    assert [(report.subject.partition(" ")[0], report.rows_out) for report in reports] == [
        ("crm.person", 1),
        ("desk.ticket", 0),
    ]
    assert "landing desk.ticket failed" in list_gaps(reports)[staged[1].planned.subject]
    assert rows(lake, "gap", "source, object, reason, status") == [("desk", "ticket", "failed", "open")]
