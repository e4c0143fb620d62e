"""What a run says of its clock: before that of the last run, or far from the sources'."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from dataflow.run.clock import compare_with_sources
from dataflow.run.session import open_run
from dataflow.settings import load_settings
from dataflow.sources import PlannedWindow, Window
from dataflow.workspace.position import move_positions
from dataflow.workspace.report import list_notes

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def planned(source: str, asked_at: datetime | None) -> PlannedWindow:
    return PlannedWindow(source, "thing", Window.of_all_time(), (), "", asked_at=asked_at)


def test_a_run_before_the_last_one_says_so(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    with open_run(settings, "publish", now=NOW) as session:
        assert list_notes(session.reports) == []

        def move(con: duckdb.DuckDBPyConnection) -> None:
            # An object that no run has moved since one under a wrong clock does not count.
            move_positions(con, {("erp", "former"): 1}, run_id="run-1", moved_at=NOW + timedelta(days=3650))
            move_positions(con, {("erp", "thing"): 2}, run_id="run-2", moved_at=NOW)

        session.lake.transact(move, author="test", run_id="run-2", message="test")
    with open_run(settings, "publish", now=NOW + timedelta(minutes=1)) as session:
        assert list_notes(session.reports) == []
    with open_run(settings, "publish", now=NOW - timedelta(days=3)) as session:
        [note] = list_notes(session.reports)
    assert note.startswith("this run's clock is 3 days before that of the last run (2026-02-26 12:00 and")


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (0, None),
        (10, None),
        (-10, None),
        (60, "60 minutes behind that of"),
        (-60 * 24 * 3650, "3,650 days ahead of that"),
    ],
)
def test_a_clock_far_from_a_source_is_noted(minutes: int, said: str | None) -> None:
    windows = [planned("erp", NOW + timedelta(minutes=minutes)), planned("files", None)]
    notes = list_notes(compare_with_sources(windows, NOW))
    assert len(notes) == (said is not None)
    assert all(f"clock is {said}" in note and "source erp" in note for note in notes)
