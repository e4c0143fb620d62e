"""The folders of runs: the living keep theirs, the dead are known as crashed, on whichever machine they lived."""

import json
import os
import re
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dataflow.run.folders import (
    RETRAIN_PLAN,
    claim_folder,
    clear_plan_folders,
    list_runs,
    name_run,
    take_crashed,
)

DAY = 24 * 3600.0
STARTED = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
DEAD = '{"pid": 1, "created": 0}'


def leave(runs: Path, name: str, *, owner: str | None = DEAD, age_seconds: float = 3600.0) -> Path:
    """What a process that died so long ago left in a folder of this name."""
    folder = runs / name
    (folder / "spill").mkdir(parents=True)
    (folder / "spill" / "part").write_text("x" * 1000)
    if owner is not None:
        (folder / "owner.json").write_text(owner)
    died = time.time() - age_seconds
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (died, died))
    return folder


def test_the_living_keep_their_folder(tmp_path: Path) -> None:
    run_id = name_run("daily", STARTED)
    with claim_folder(tmp_path, run_id) as folder:
        assert take_crashed(tmp_path) == []
        clear_plan_folders(tmp_path)
        [found] = list_runs(tmp_path)
        assert (found.run_id, found.kind, found.started_at, found.is_running) == (run_id, "daily", STARTED, True)
        assert str(os.getpid()) in found.owner
        assert folder.is_dir()
    assert list_runs(tmp_path) == []


def test_a_run_that_writes_nothing_is_still_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflow.run.folders._SEEN_EVERY_SECONDS", 0.001)
    hour_ago = time.time() - 3600
    with claim_folder(tmp_path, name_run("daily", STARTED)) as folder:
        for path in (*folder.rglob("*"), folder):
            os.utime(path, (hour_ago, hour_ago))
        while (folder / "owner.json").stat().st_mtime < hour_ago + 1800:
            time.sleep(0.001)
        [found] = list_runs(tmp_path)
        assert found.crashed().last_seen_at.timestamp() > hour_ago + 1800


@pytest.mark.parametrize("owner", [None, "", "[]", "{}", '{"pid": null, "created": 0}', DEAD])
def test_a_crashed_run_gives_its_space_back_and_stays_known_until_it_is_on_record(
    tmp_path: Path, owner: str | None
) -> None:
    folder = leave(tmp_path, name_run("ingest", STARTED), owner=owner)
    for _ in range(2):
        [crashed] = take_crashed(tmp_path)
        seen = crashed.crashed()
        assert (seen.kind, seen.started_at) == ("ingest", STARTED)
        assert 3500 < time.time() - seen.last_seen_at.timestamp() < 3700
        assert [path.name for path in folder.iterdir()] == ([] if owner is None else ["owner.json"])
    crashed.forget()
    assert not folder.exists()


def test_a_folder_that_is_just_being_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / name_run("daily", STARTED)).mkdir()
    (tmp_path / name_run(RETRAIN_PLAN, STARTED)).mkdir()
    clear_plan_folders(tmp_path)
    assert take_crashed(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 2


def test_folders_of_retrain_plans_and_unknown_folders_are_removed(tmp_path: Path) -> None:
    plan, strange = leave(tmp_path, name_run(RETRAIN_PLAN, STARTED)), leave(tmp_path, "left")
    run = leave(tmp_path, name_run("daily", STARTED))
    clear_plan_folders(tmp_path)
    assert (plan.exists(), strange.exists(), run.exists()) == (False, False, True)


@pytest.mark.parametrize(("age_days", "is_running"), [(1, True), (8, False)])
def test_a_run_of_another_machine_is_dead_when_no_run_lasts_as_long(
    tmp_path: Path, age_days: int, is_running: bool
) -> None:
    # The number of a process that lives here, too, and is another.
    theirs = json.dumps({"host": "elsewhere", "pid": os.getpid(), "created": 0.0})
    leave(tmp_path, name_run("daily", STARTED), owner=theirs, age_seconds=age_days * DAY)
    [found] = list_runs(tmp_path)
    assert found.is_running == is_running
    assert found.owner == f"its process ({os.getpid()} on elsewhere)"


def test_a_run_of_another_machine_is_cleared_by_removing_its_owner_file(tmp_path: Path) -> None:
    folder = leave(tmp_path, name_run("daily", STARTED), owner=json.dumps({"host": "elsewhere", "pid": 7}))
    [found] = list_runs(tmp_path)
    assert re.match(
        r"its process \(7 on elsewhere\) is on another machine and was last seen at \d{4}-\d\d-\d\d \d\d:",
        found.running_message,
    )
    assert found.running_message.endswith(
        f"if it is not running, remove {folder / 'owner.json'}: the next run records it as crashed"
    )
    (folder / "owner.json").unlink()
    an_hour_ago = time.time() - 3600
    os.utime(folder, (an_hour_ago, an_hour_ago))
    [found] = take_crashed(tmp_path)
    assert not found.is_running


def test_a_run_of_this_machine_is_running(tmp_path: Path) -> None:
    with claim_folder(tmp_path, name_run("daily", STARTED)):
        [found] = list_runs(tmp_path)
    assert found.running_message == f"its process ({os.getpid()} on {socket.gethostname()}) is running"
