"""Files that go and come back: each change is put on record once, and nothing else is."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import SourceMissing
from dataflow.observe.status import WITHDRAWN
from dataflow.sources import ObjectState, Part, PlannedWindow, Source, open_source
from dataflow.sources.files.presence import describe_mark, find_marks, is_mark
from lakehouse import Lake
from lakehouse.query import fetch_records
from tests.lib.deliveries import TICKET, company, deliver_csv, land, opened, raw_rows, read_rows, run

CSV = "ticket_id,subject,updated_at\n{},a,2026-03-01\n"


def withdrawn(lake: Lake) -> list[dict[str, Any]]:
    """Return the status of withdrawn files."""
    with closing(lake.cursor()) as con:
        con.execute("USE lake")
        return fetch_records(con, WITHDRAWN)


def known(*fingerprints: str) -> ObjectState:
    return ObjectState(parts={"a": [Part("a", each, 1, datetime(2026, 3, 1, tzinfo=UTC)) for each in fingerprints]})


@pytest.mark.parametrize(
    ("landed", "listed", "marks"),
    [
        (["f1"], {"a"}, []),
        (["f1"], set(), ["withdrawn:1"]),
        (["f1", "withdrawn:1"], set(), []),
        (["f1", "withdrawn:1"], {"a"}, ["returned:2"]),
        (["returned:2", "f1", "withdrawn:1"], {"a"}, []),
        (["returned:2", "f1", "withdrawn:1"], set(), ["withdrawn:3"]),
        (["f1", *(f"{'returned' if n % 2 == 0 else 'withdrawn'}:{n}" for n in range(1, 11))], set(), ["withdrawn:11"]),
        ([], set(), []),
    ],
)
def test_marks(landed: list[str], listed: set[str], marks: list[str]) -> None:
    found = find_marks(listed, known(*landed))
    assert [mark.fingerprint for mark in found] == marks
    assert all(is_mark(mark) and not mark.size_bytes for mark in found)
    assert not any(is_mark(part) for part in known("f1", "0" * 32).parts["a"])


def test_marks_are_described() -> None:
    [gone] = find_marks(set(), known("f1"))
    assert describe_mark(gone) == "withdrawn since it was read; its rows stay in raw"
    [back] = find_marks({"a"}, known("f1", gone.fingerprint))
    assert describe_mark(back) == "is there again after it was withdrawn"


def state(*windows: PlannedWindow) -> ObjectState:
    parts: dict[str, list[Part]] = {}
    for window in windows:
        for part in window.parts:
            parts.setdefault(part.path, []).append(part)
    return ObjectState(parts=parts)


def desk(home: Path, path: str = "{date}/*.csv") -> Source:
    return open_source(company(home, ticket=TICKET.model_copy(update={"path": path})), "desk")


def test_a_withdrawn_file_is_planned_with_its_day(tmp_path: Path) -> None:
    first = deliver_csv(tmp_path / "desk", CSV.format(1))
    deliver_csv(tmp_path / "desk", CSV.format(2), name="b")
    deliver_csv(tmp_path / "desk", CSV.format(3), day="2026-03-02")
    landed = state(*desk(tmp_path).plan("ticket", ObjectState()))
    first.unlink()
    [window] = desk(tmp_path).plan("ticket", landed)
    assert window.window.label == "2026-03-01"
    fetch = desk(tmp_path).fetch(window)
    assert [row["record_key"] for row in read_rows(fetch.batches)] == ["2"]
    assert fetch.report.notes["2026-03-01/a.csv"].startswith("withdrawn")
    chosen = {"since": datetime(2026, 3, 2, tzinfo=UTC)}
    assert desk(tmp_path).plan("ticket", landed, **chosen) == []


def test_a_file_that_is_no_longer_asked_for_was_not_withdrawn(tmp_path: Path) -> None:
    deliver_csv(tmp_path / "desk", CSV.format(1))
    landed = state(*desk(tmp_path).plan("ticket", ObjectState()))
    deliver_csv(tmp_path / "desk", CSV.format(2), day="closed")
    [window] = desk(tmp_path, "closed/*.csv").plan("ticket", landed)
    assert [part.path for part in window.parts] == ["closed/a.csv"]


def test_an_empty_folder_is_rather_a_disk_that_is_not_there(tmp_path: Path) -> None:
    file = deliver_csv(tmp_path / "desk", CSV.format(1))
    landed = state(*desk(tmp_path).plan("ticket", ObjectState()))
    file.unlink()
    with pytest.raises(SourceMissing, match="no file under"):
        desk(tmp_path).plan("ticket", landed)


def test_rows_of_a_withdrawn_file_stay_and_are_not_read_again(tmp_path: Path) -> None:
    settings = company(tmp_path)
    file = deliver_csv(tmp_path / "desk", CSV.format(1))
    deliver_csv(tmp_path / "desk", CSV.format(2), day="2026-03-02")
    chosen = {"source": "desk"}
    with opened(settings) as lake:
        land(lake, settings, **chosen)
        content = file.read_bytes()
        file.unlink()
        [report] = land(lake, settings, number=2, **chosen)
        assert report.facts["notes"] == ["2026-03-01/a.csv: withdrawn since it was read; its rows stay in raw"]
        [told] = withdrawn(lake)
        assert (told["source"], told["object"], told["files"], told["since"]) == ("desk", "ticket", 1, run(2).now)
        assert land(lake, settings, number=3, **chosen) == []
        file.write_bytes(content)
        [report] = land(lake, settings, number=4, **chosen)
        assert (report.rows_in, report.inserted) == (1, 0)
        assert land(lake, settings, number=5, **chosen) == []
        assert len(raw_rows(lake, "desk_ticket")) == 2
        assert withdrawn(lake) == []
