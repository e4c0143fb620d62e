"""Fetching: a window in the landing area is whole or absent, and is not read twice."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dataflow.errors import ConservationError, SourceIncomplete
from dataflow.land import FetchedWindow, fetch_window, plan_windows
from dataflow.settings import Settings
from dataflow.sources import FetchReport, PlannedWindow
from dataflow.sources.versions import VERSION_SCHEMA
from lakehouse import LakeUnwritable
from tests.lib.deliveries import company, deliver_csv, deliver_pages, person, run


def planned(settings: Settings, source: str = "crm") -> PlannedWindow:
    [window] = plan_windows(None, settings, source=source)
    return window


def files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


@pytest.fixture
def fetched(tmp_path: Path) -> FetchedWindow:
    deliver_pages(tmp_path / "crm", [person("1"), person("2", Shoe="42"), person("", IsDeleted=True)])
    settings = company(tmp_path)
    return fetch_window(planned(settings), settings, run(1))


def test_rows_are_staged_with_key_and_hash(fetched: FetchedWindow) -> None:
    table = pq.read_table(fetched.file)
    assert table.schema.remove_metadata() == VERSION_SCHEMA
    assert table.column("record_key").to_pylist()[:2] == ["1", "2"]
    assert table.column("record_key").to_pylist()[2] == table.column("row_hash").to_pylist()[2]
    assert json.loads(table.column("payload").to_pylist()[1])["Shoe"] == "42"


def test_the_report_tells_what_was_seen(fetched: FetchedWindow) -> None:
    report = fetched.report
    assert (report.rows, report.defects, report.deleted) == (3, 1, 1)
    assert report.drift.new == ("Shoe",)


def test_the_same_content_is_not_read_again(fetched: FetchedWindow, tmp_path: Path) -> None:
    settings = company(tmp_path)
    before = fetched.file.stat().st_mtime_ns
    again = fetch_window(planned(settings), settings, run(2))
    assert again.is_reused and fetched.file.stat().st_mtime_ns == before
    # The rows were read from the source by the first run, whichever run commits them.
    assert (again.report, again.extracted_at) == (fetched.report, run(1).now)


def test_a_damaged_staged_file_is_read_anew(fetched: FetchedWindow, tmp_path: Path) -> None:
    settings = company(tmp_path)
    fetched.file.write_bytes(fetched.file.read_bytes()[:-20])
    again = fetch_window(planned(settings), settings, run(2))
    assert not again.is_reused
    assert pq.read_metadata(again.file).num_rows == 3


def test_other_bytes_are_another_file(fetched: FetchedWindow, tmp_path: Path) -> None:
    settings = company(tmp_path)
    deliver_pages(tmp_path / "crm", [person("1")])
    assert fetch_window(planned(settings), settings, run(2)).file != fetched.file


def test_a_window_without_rows(tmp_path: Path) -> None:
    deliver_csv(tmp_path / "desk", "ticket_id,subject,updated_at\n")
    settings = company(tmp_path)
    assert pq.read_metadata(fetch_window(planned(settings, "desk"), settings, run()).file).num_rows == 0


def test_what_goes_wrong_leaves_no_file(tmp_path: Path) -> None:
    deliver_pages(tmp_path / "crm", [person("1")], promised=2)
    settings = company(tmp_path)
    with pytest.raises(SourceIncomplete):
        fetch_window(planned(settings), settings, run())
    assert files(tmp_path / "landing") == []


def test_a_landing_area_that_takes_no_file(tmp_path: Path) -> None:
    deliver_pages(tmp_path / "crm", [person("1")])
    (tmp_path / "landing").write_text("a file where a folder should be")
    settings = company(tmp_path)
    with pytest.raises(LakeUnwritable, match="landing area"):
        fetch_window(planned(settings), settings, run())


@contextmanager
def room_for(size_bytes: int) -> Iterator[None]:
    """Let no file grow beyond this: what a full disk does, without filling one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_no_file_and_the_next_run_goes_on(tmp_path: Path) -> None:
    deliver_pages(tmp_path / "crm", [person(str(number), Note=f"{number}" * 50) for number in range(500)])
    settings = company(tmp_path)
    window = planned(settings)
    with room_for(1000), pytest.raises(LakeUnwritable, match="free space"):
        fetch_window(window, settings, run())
    assert files(tmp_path / "landing") == []
    assert fetch_window(window, settings, run()).report.rows == 500


def test_an_adapter_that_miscounts_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver_pages(tmp_path / "crm", [person("1")])
    settings = company(tmp_path)

    def count_twice(self: FetchReport, path: str, rows: int) -> Any:
        self.rows += 2 * rows

    monkeypatch.setattr(FetchReport, "count", count_twice)
    with pytest.raises(ConservationError, match="counted 2 rows and 1 were staged"):
        fetch_window(planned(settings), settings, run())
    assert files(tmp_path / "landing") == []
