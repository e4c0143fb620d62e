"""The pipeline itself, ready to run: a Prefect API shared by the session's runs, and a home with a first day in it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dataflow.cli.main import run
from dataflow.settings import Settings, load_settings
from flows.orchestrator import orchestrator
from tests.lib.homes import NOW, SECOND_DAY, make_sample


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Prefect's API for every run of this process: it is started once and not by each run."""
    with orchestrator(load_settings(home=tmp_path_factory.mktemp("orchestrator"))):
        yield


@pytest.fixture(scope="session")
def first_day(tmp_path_factory: pytest.TempPathFactory, prefect_api: None) -> Path:
    """A home with a sample of two days, the first of them published. Never run in it: copy it with `fresh_home`."""
    home = tmp_path_factory.mktemp("first-day")
    make_sample(home, days=2)
    assert run(["--home", str(home), "run", "--until", SECOND_DAY, "--now", NOW]) == 0
    return home


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
