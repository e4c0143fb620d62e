"""Which files belong to an object and a day, and which of them need reading."""

import os
from datetime import date
from pathlib import Path

import pytest

from dataflow.errors import SourceMissing, SourceUnavailable
from dataflow.sources import ObjectState, Window
from dataflow.sources.files.listing import check_unchanged, find_files, identify


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("P/{date}/page-*.json", ["P/2026-03-01/page-1.json", "P/2026-03-02/page-1.json"]),
        ("t/{date}.parquet", ["t/2026-03-01.parquet"]),
        ("t/*.parquet", ["t/2026-03-01.parquet", "t/2026-13-01.parquet", "t/all.parquet"]),
        ("t/all.parquet", ["t/all.parquet"]),
        ("{date}/x-{date}.csv", ["2026-03-01/x-2026-03-01.csv"]),
        ("none/{date}.csv", []),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    touch(
        tmp_path, "P/2026-03-01/page-1.json", "P/2026-03-02/page-1.json", "P/2026-03-01/other.json", "P/x/page-1.json"
    )
    touch(tmp_path, "t/2026-03-01.parquet", "t/2026-13-01.parquet", "t/all.parquet", "2026-03-01/x-2026-03-01.csv")
    touch(tmp_path, "2026-03-01/x-2026-03-02.csv")
    assert [file.path for file in find_files(tmp_path, pattern)] == expected


def test_windows(tmp_path: Path) -> None:
    touch(tmp_path, "t/2026-03-01.csv", "all.csv")
    assert find_files(tmp_path, "t/{date}.csv")[0].window == Window.of_day(date(2026, 3, 1))
    assert find_files(tmp_path, "all.csv")[0].window == Window.of_all_time()
    assert Window.of_all_time().label == "all"
    assert Window.of_day(date(2026, 3, 1)).label == "2026-03-01"
    day = Window.of_day(date(2026, 3, 1))
    assert Window(day.start, day.until.replace(hour=6)).label == "2026-03-01T000000Z--2026-03-02T060000Z"


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match="there is no folder"):
        find_files(tmp_path / "gone", "*.csv")


def test_a_known_file_is_not_read_again(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv")
    [(found, part)] = identify(tmp_path, find_files(tmp_path, "*.csv"), ObjectState())
    believed = ObjectState(parts={"a.csv": [part]})
    (tmp_path / "a.csv").write_text("b.csv")
    os.utime(tmp_path / "a.csv", ns=(0, int(part.modified_at.timestamp() * 1_000_000) * 1000))
    [(_, again)] = identify(tmp_path, [found], believed)
    assert again.fingerprint == part.fingerprint
    (tmp_path / "a.csv").write_text("longer than it was")
    [(_, rewritten)] = identify(tmp_path, find_files(tmp_path, "*.csv"), believed)
    assert rewritten.fingerprint != part.fingerprint


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv")
    [(_, part)] = identify(tmp_path, find_files(tmp_path, "*.csv"), ObjectState())
    check_unchanged(tmp_path, part)
    (tmp_path / "a.csv").write_text("and more of it")
    with pytest.raises(SourceUnavailable, match=r"a\.csv: it changed while it was read") as refused:
        check_unchanged(tmp_path, part)
    assert refused.value.retryable
    (tmp_path / "a.csv").unlink()
    with pytest.raises(SourceMissing, match="is gone"):
        check_unchanged(tmp_path, part)


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv")
    found = find_files(tmp_path, "*.csv")
    (tmp_path / "a.csv").unlink()
    with pytest.raises(SourceUnavailable, match=r"Reading a\.csv"):
        identify(tmp_path, found, ObjectState())
