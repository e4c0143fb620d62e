"""Readers see committed states only, hold on to what they attached, and cannot write."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from lakehouse import LakeLocation, LakeUnreachable, LakeView, SnapshotNotFound, open_reader
from tests.lib.lakes import EVENT, LINES, commit, committed, local_lake, opened


def test_a_reader_keeps_its_snapshot_while_the_copy_is_replaced(location: LakeLocation) -> None:
    with opened(location) as lake:
        commit(lake, "w", 0)
        with open_reader(location) as before:
            commit(lake, "w", 1)
            assert committed(before) == {"w": 1, "all": 1}
            with open_reader(location) as after:
                assert committed(after) == {"w": 2, "all": 2}
            assert committed(before) == {"w": 1, "all": 1}


def test_a_reader_cannot_write(location: LakeLocation) -> None:
    with open_reader(location) as con, pytest.raises(duckdb.Error, match="read-only"):
        con.execute("INSERT INTO lake.raw.event VALUES ('w', 1, 1, 'x')")


def test_a_reader_sees_snapshots_and_changes(location: LakeLocation) -> None:
    with opened(location) as lake:
        first, second = commit(lake, "w", 0), commit(lake, "w", 1)
    with open_reader(location) as con:
        view = LakeView(con, location)
        assert view.snapshot() == second
        assert len(con.execute(view.insertions(EVENT, after=first.id, upto=second.id)).fetchall()) == LINES


def test_nothing_published_yet(tmp_path: Path) -> None:
    with pytest.raises(LakeUnreachable, match="nothing is published") as raised:
        open_reader(local_lake(tmp_path))
    assert raised.value.retryable


@pytest.mark.parametrize("version", [99, datetime(2001, 1, 1, tzinfo=UTC), datetime(2030, 1, 1)])  # noqa: DTZ001
def test_a_snapshot_that_is_not_there(location: LakeLocation, version: datetime | int) -> None:
    with pytest.raises(SnapshotNotFound):
        open_reader(location, at=version)
