"""A run that is killed anywhere is simply run again, and what is published is what an undisturbed run publishes."""

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.settings import load_settings
from tests.lib.homes import NOW, SECOND_DAY, lake_state, make_sample, published_hash, start_dataflow
from tests.lib.servers.prefect import PrefectServer

# Two kinds of run die differently: the first ever makes tables and trains, the next day's merges into what exists.
FIRST = ["run", "--until", SECOND_DAY, "--now", NOW]
NEXT = ["run", "--now", "2026-01-04T00:00:00Z"]
SEED = 20260123


def run_to_end(home: Path, arguments: list[str], environment: dict[str, str]) -> float:
    """Run undisturbed; returns the seconds it took, to know where a kill can hit."""
    began = time.monotonic()
    process = start_dataflow(home, *arguments, environment=environment)
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    return time.monotonic() - began


def run_and_kill(home: Path, arguments: list[str], environment: dict[str, str], *, after_seconds: float) -> None:
    """Run, and SIGKILL the process then, wherever it is."""
    process = start_dataflow(home, *arguments, environment=environment)
    try:
        process.wait(after_seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode in (0, -signal.SIGKILL)


@pytest.fixture(scope="module")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a sample of two days and nothing else."""
    home = tmp_path_factory.mktemp("empty")
    make_sample(home, days=2)
    return home


@pytest.mark.parametrize("kind", ["first", "next"])
def test_killed_and_run_again(
    kind: str,
    empty_home: Path,
    first_day: Path,
    tmp_path: Path,
    prefect_server: PrefectServer,
    rounds: Callable[[int, int], int],
) -> None:
    template, arguments = (empty_home, FIRST) if kind == "first" else (first_day, NEXT)
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(template, undisturbed)
    usual = run_to_end(undisturbed, arguments, prefect_server.environment)
    expected = published_hash(undisturbed)
    everything = lake_state(load_settings(home=undisturbed))

    chance = random.Random(SEED)
    for chain in range(rounds(1, 5)):
        home = tmp_path / f"killed-{chain}"
        shutil.copytree(template, home)
        for _ in range(rounds(1, 3)):
            # From the first import to just past the usual end: a kill after the commit counts as well.
            moment = chance.uniform(0.05, 1.05) * usual
            run_and_kill(home, arguments, prefect_server.environment, after_seconds=moment)
        run_to_end(home, arguments, prefect_server.environment)
        assert published_hash(home) == expected
        assert lake_state(load_settings(home=home)) == everything
        assert list((home / "runs").iterdir()) == []
        shutil.rmtree(home)
