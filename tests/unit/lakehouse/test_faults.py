"""Full disks, folders of another user, files that are not lakes: the right error, and an unchanged lake."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from lakehouse import Lake, LakeIncompatible, LakeLocation, LakeUnwritable
from lakehouse.connect import connect
from tests.lib.lakes import (
    commit,
    local_lake,
    open_as_nobody,
    open_with_little_space,
    opened,
    processes,
    read,
    running,
)


def told_by(target: object, location: LakeLocation) -> str:
    """Return the error that a process printed."""
    told = processes.Queue()
    with running(target, location, told):
        return str(told.get(timeout=60))


def test_a_full_disk(location: LakeLocation) -> None:
    with opened(location) as lake:
        commit(lake, "w", 0)
    answer = told_by(open_with_little_space, location)
    assert answer.startswith("LakeUnwritable: Committing to the lake")
    assert "free space" in answer
    assert read(location) == {"w": 1, "all": 1}
    with opened(location) as lake:
        commit(lake, "w", 1)
    assert read(location) == {"w": 2, "all": 2}


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """Return a folder that only its owner can write, outside of pytest's, which no other user can enter."""
    with tempfile.TemporaryDirectory(prefix="dataflow-closed-") as name:
        folder = Path(name)
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


def test_a_folder_of_another_user(closed_folder: Path) -> None:
    answer = told_by(open_as_nobody, local_lake(closed_folder))
    assert answer.startswith("LakeUnwritable: Opening the lake")
    assert "write access" in answer
    assert list(closed_folder.iterdir()) == []


def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeUnwritable):
        Lake.open(local_lake(tmp_path / "file"), purpose="test")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    location = local_lake(tmp_path)
    (tmp_path / "lake.ducklake").write_text("no database" * 100)
    with pytest.raises(LakeIncompatible, match="point the setting at a lake"):
        Lake.open(location, purpose="test")
    assert (tmp_path / "lake.ducklake").read_text() == "no database" * 100


def test_a_foreign_database_is_left_unchanged(tmp_path: Path) -> None:
    with connect(tmp_path / "lake.ducklake") as con:
        con.execute("CREATE TABLE precious AS SELECT 1 AS value")
    with pytest.raises(LakeIncompatible, match="1 tables of its own"):
        Lake.open(local_lake(tmp_path), purpose="test")
    with connect(tmp_path / "lake.ducklake", read_only=True) as con:
        assert con.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("precious",)]


def test_an_error_of_the_callers_sql_is_not_reported_as_an_error_of_the_lake(location: LakeLocation) -> None:
    with opened(location) as lake, pytest.raises(duckdb.ConversionException):
        lake.transact(
            lambda con: con.execute("SELECT 'connection refused, no space left'::INTEGER"),
            author="",
            run_id="",
            message="",
        )
