"""The pipeline itself, ready to run: homes with a day or two."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.cli.main import run
from dataflow.settings import Settings, load_settings
from tests.lib.homes import LATER, NOW, SECOND_DAY, make_sample


def made_once(temporary: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder for all test processes: the first that asks has `make` fill it, whoever needs it meanwhile waits."""
    own = temporary.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / name).is_dir():
            # Made aside and renamed: what another process finds is whole.
            draft = temporary.mktemp(name)
            make(draft)
            draft.rename(shared / name)
    return shared / name


@pytest.fixture(scope="session")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a sample of two days, the first of them published. Never run in it: copy it with `fresh_home`."""

    def make(home: Path) -> None:
        make_sample(home, days=2)
        assert run(["--home", str(home), "run", "--until", SECOND_DAY, "--now", NOW]) == 0

    return made_once(tmp_path_factory, "first-day", make)


@pytest.fixture(scope="session")
def second_day(tmp_path_factory: pytest.TempPathFactory, first_day: Path) -> Path:
    """`first_day` and a run in which nothing went wrong: both days are published. Only read it, or copy it."""

    def make(home: Path) -> None:
        shutil.copytree(first_day, home, dirs_exist_ok=True)
        assert run(["--home", str(home), "run", "--now", LATER]) == 0

    return made_once(tmp_path_factory, "second-day", make)


@pytest.fixture
def fresh_home(first_day: Path, tmp_path: Path) -> Callable[[], Settings]:
    """Make a copy of `first_day`, as often as called."""

    def copy() -> Settings:
        home = tmp_path / f"home-{len(list(tmp_path.iterdir()))}"
        shutil.copytree(first_day, home)
        return load_settings(home=home)

    return copy


@pytest.fixture
def published(fresh_home: Callable[[], Settings]) -> Settings:
    """The settings of one copy of `first_day`."""
    return fresh_home()
