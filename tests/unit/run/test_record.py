"""The folders of runs: the dead lose theirs, the living keep it, on whichever machine they live."""

import json
import os
import time
from pathlib import Path

import pytest

from dataflow.run.record import claim_folder, clear_folders_of_the_dead

DAY = 24 * 3600.0


def test_the_living_keep_their_folder(tmp_path: Path) -> None:
    with claim_folder(tmp_path, "mine") as folder:
        assert clear_folders_of_the_dead(tmp_path) == 0
        assert folder.is_dir()
    assert not folder.exists()


@pytest.mark.parametrize("left", [None, "", "{}", '{"pid": 1, "created": 0}'])
def test_the_dead_lose_theirs(tmp_path: Path, left: str | None) -> None:
    folder = tmp_path / "left"
    folder.mkdir()
    if left is not None:
        (folder / "owner.json").write_text(left)
    assert clear_folders_of_the_dead(tmp_path) == 1
    assert not folder.exists()


@pytest.mark.parametrize(("age_days", "is_kept"), [(1, True), (8, False)])
def test_a_run_of_another_machine_is_dead_when_no_run_lasts_as_long(
    tmp_path: Path, age_days: int, is_kept: bool
) -> None:
    with claim_folder(tmp_path, "theirs") as folder:
        owner = folder / "owner.json"
        # The number of a process that lives here, too, and is another.
        owner.write_text(json.dumps({"host": "elsewhere", "pid": os.getpid(), "created": 0.0}))
        written = time.time() - age_days * DAY
        os.utime(owner, (written, written))
        clear_folders_of_the_dead(tmp_path)
        assert folder.is_dir() == is_kept
