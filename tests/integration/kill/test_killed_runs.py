"""A run that is killed anywhere is simply run again, and what is published is what an undisturbed run publishes."""

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.access.pipeline import open_published
from dataflow.cli.main import run
from dataflow.settings import load_settings
from tests.lib.homes import LATER, NOW, SECOND_DAY, lake_state, published_hash, start_dataflow

# Two kinds of run die differently: the first ever makes tables and trains, the next day's merges into what exists.
FIRST = ["run", "--until", SECOND_DAY, "--now", NOW]
NEXT = ["run", "--now", LATER]
SEED = 20260123


def seconds_on_record(home: Path) -> float:
    """What the last run's stages took up to its commit, to know where a kill can hit."""
    with open_published(load_settings(home=home)) as con:
        query = "SELECT epoch(finished_at - started_at) FROM ops.run ORDER BY run_id DESC LIMIT 1"
        [(seconds,)] = con.execute(query).fetchall()
    assert seconds > 0
    return float(seconds)


def run_and_kill(home: Path, arguments: list[str], *, after_seconds: float) -> None:
    """Run, and SIGKILL the process so long after it has begun the run, wherever it is."""
    runs = home / "runs"
    before = set(runs.glob("*"))
    process = start_dataflow(home, *arguments)
    while process.poll() is None and not set(runs.glob("*")) - before:
        time.sleep(0.05)
    try:
        process.wait(after_seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode in (0, -signal.SIGKILL)


@pytest.fixture(scope="module")
def empty_home(first_day: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the sample of `first_day` and nothing else."""
    home = tmp_path_factory.mktemp("empty")
    shutil.copytree(first_day / "sample", home / "sample")
    return home


@pytest.mark.parametrize("kind", ["first", "next"])
def test_killed_and_run_again(
    kind: str,
    empty_home: Path,
    first_day: Path,
    second_day: Path,
    tmp_path: Path,
    rounds: Callable[[int, int], int],
) -> None:
    template, arguments, undisturbed = (
        (empty_home, FIRST, first_day) if kind == "first" else (first_day, NEXT, second_day)
    )
    usual = seconds_on_record(undisturbed)
    expected = published_hash(undisturbed)
    everything = lake_state(load_settings(home=undisturbed))

    chance = random.Random(SEED)
    for chain in range(rounds(1, 5)):
        home = tmp_path / f"killed-{chain}"
        shutil.copytree(template, home)
        for _ in range(rounds(1, 3)):
            # To just past the usual end: importing Prefect, the commit and the warehouse take as long again as what is
            # on record, and a kill after the commit counts as well.
            after_seconds = chance.uniform(0, 2.2) * usual
            run_and_kill(home, arguments, after_seconds=after_seconds)
        assert run(["--home", str(home), *arguments]) == 0
        assert published_hash(home) == expected
        assert lake_state(load_settings(home=home)) == everything
        assert list((home / "runs").iterdir()) == []
        shutil.rmtree(home)
