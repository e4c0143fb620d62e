"""A run whose process was killed: crashed in the status at once, and on record once after the next commit."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dataflow.access.pipeline import open_published
from dataflow.errors import UsageError
from dataflow.observe.status import read_status
from dataflow.run.folders import list_runs
from dataflow.run.session import RunSession, open_run
from dataflow.settings import Settings, load_settings

# Parts of a run in a process of its own: it dies where `os.kill` stands.
PRELUDE = """
import os, signal, sys
from pathlib import Path
from dataflow.run.session import open_run
from dataflow.settings import load_settings
settings = load_settings(home=Path(sys.argv[1]))
def die():
    os.kill(os.getpid(), signal.SIGKILL)
"""
AT_ITS_START = "with open_run(settings, 'daily') as session:\n    die()\n"
AFTER_ITS_COMMIT = (
    "with open_run(settings, 'ingest') as session:\n    session.conclude('landed', '3 rows')\n    die()\n"
)
# It takes the crashed runs, commits its row with theirs, and dies before it clears their folders.
BEFORE_IT_CLEARS = """
with open_run(settings, 'ingest') as session:
    session._forget_crashed = die
    session.conclude('landed', '3 rows')
"""
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home")


def kill(settings: Settings, where: str) -> None:
    done = subprocess.run([sys.executable, "-c", PRELUDE + where, str(settings.home)], check=False)
    assert done.returncode == -signal.SIGKILL


def shown(settings: Settings) -> list[dict[str, Any]]:
    with open_published(settings) as con:
        return read_status(con, settings=settings, now=datetime.now(UTC), folders=list_runs(Path(settings.runs)))[
            "runs"
        ]


def recorded(settings: Settings) -> list[tuple[str, str]]:
    with open_published(settings) as con:
        return con.execute("SELECT kind, status FROM ops.run ORDER BY run_id").fetchall()


@contextmanager
def next_run(settings: Settings) -> Iterator[RunSession]:
    with open_run(settings, "publish") as session:
        yield session
        session.conclude("unchanged", "nothing new")


def test_a_killed_run_is_crashed_at_once_and_a_row_after_the_next_run(settings: Settings) -> None:
    kill(settings, AT_ITS_START)
    [crashed] = shown(settings)
    assert (crashed["kind"], crashed["status"]) == ("daily", "crashed")
    assert "is no longer running, last seen " in crashed["message"]
    assert recorded(settings) == []
    with next_run(settings) as session:
        assert [row["status"] for row in shown(settings)] == ["running", "crashed"]
        assert shown(settings)[0]["run_id"] == session.run.run_id
    assert recorded(settings) == [("daily", "crashed"), ("publish", "unchanged")]
    rows = shown(settings)
    assert [row["status"] for row in rows] == ["unchanged", "crashed"]
    assert rows[1] == crashed
    assert list(Path(settings.runs).iterdir()) == []
    with next_run(settings):
        pass
    assert [status for _, status in recorded(settings)] == ["crashed", "unchanged", "unchanged"]


def test_it_is_on_record_once_though_the_next_committers_die_too(settings: Settings) -> None:
    kill(settings, AT_ITS_START)
    kill(settings, AT_ITS_START)
    assert [row["status"] for row in shown(settings)] == ["crashed", "crashed"]
    kill(settings, BEFORE_IT_CLEARS)
    assert [status for _, status in recorded(settings)] == ["crashed", "crashed", "landed"]
    assert len(list(Path(settings.runs).iterdir())) == 3
    with next_run(settings):
        pass
    assert [status for _, status in recorded(settings)] == ["crashed", "crashed", "landed", "unchanged"]
    assert list(Path(settings.runs).iterdir()) == []


def test_a_run_killed_after_its_commit_keeps_its_end_and_says_that_it_crashed(settings: Settings) -> None:
    kill(settings, AFTER_ITS_COMMIT)
    [row] = shown(settings)
    assert row["status"] == "landed"
    assert row["message"].startswith("3 rows; then crashed: its process (")
    for _ in range(2):
        with next_run(settings):
            pass
    [*_, kept] = shown(settings)
    assert kept == row


def test_a_run_that_leaves_no_row_leaves_the_crashed_one_to_the_next(settings: Settings) -> None:
    kill(settings, AT_ITS_START)
    with pytest.raises(UsageError), open_run(settings, "daily"):
        raise UsageError("wrong")
    assert [row["status"] for row in shown(settings)] == ["crashed"]
    with pytest.raises(ValueError), open_run(settings, "daily"):
        raise ValueError("x")
    assert [status for _, status in recorded(settings)] == ["crashed", "failed"]


def test_a_crashed_run_older_than_the_ones_listed_is_not_listed(settings: Settings) -> None:
    kill(settings, AT_ITS_START)
    folders = list_runs(Path(settings.runs))
    for _ in range(2):
        with next_run(settings):
            pass
    with open_published(settings) as con:
        rows = read_status(con, settings=settings, now=NOW, runs=2, folders=folders)["runs"]
    assert [row["status"] for row in rows] == ["unchanged", "unchanged"]
    assert json.dumps(rows, default=str)
