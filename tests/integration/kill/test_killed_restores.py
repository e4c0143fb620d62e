"""A restore that is killed anywhere is done or not done; restored again, the lake goes on as if never restored."""

import os
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dataflow.govern.restore import restore
from lakehouse import lake as lake_module
from tests.lib.lakes import processes
from tests.lib.small_company import Company, company_settings, opened_company, person, purchase

SEED = 20261129
# A restore of these two days executes about as many statements; a kill after the last one is before the commit.
STATEMENTS = 60


def restore_and_die(folder: Path, to: int, statements: int) -> None:
    """Restore, and be killed after so many statements of the transaction; -1: after the commit, unseen by readers."""
    commit = lake_module.commit

    def killed_inside(con: Any, work: Callable[[Any], Any], **facts: Any) -> Any:
        made = commit(con, lambda inner: work(_Fatal(inner, statements)) if statements >= 0 else work(inner), **facts)
        os.kill(os.getpid(), signal.SIGKILL)
        return made

    with opened_company(company_settings(folder)) as company:
        lake_module.commit = killed_inside
        restore(company.lake, company.settings, to)


class _Fatal:
    """A connection that kills its process after some statements."""

    def __init__(self, con: Any, statements: int) -> None:
        self._con, self._left = con, statements

    def execute(self, *arguments: Any) -> Any:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1
        return self._con.execute(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._con, name)


def validated(company: Company) -> dict[str, list[tuple[Any, ...]]]:
    return company.state("raw", "valid", "ops")


@pytest.fixture
def two_days(tmp_path: Path) -> tuple[Path, int]:
    """A company with two validated days, and the snapshot of the first."""
    folder = tmp_path / "two-days"
    with opened_company(company_settings(folder)) as company:
        company.land("person", person(1), person(2, surname=""))
        company.validate()
        first = company.snapshot()
        company.land("person", person(1, day=2, given="Ann"), person(2, day=2))
        company.land("purchase", purchase(1, of=1, day=2))
        company.validate()
    return folder, first


def test_killed_and_restored_again(
    two_days: tuple[Path, int], tmp_path: Path, rounds: Callable[[int, int], int]
) -> None:
    template, first = two_days
    with opened_company(company_settings(template)) as company:
        never_restored, before = validated(company), company.snapshot()
    chance = random.Random(SEED)
    chosen = [-1, *(chance.randrange(STATEMENTS) for _ in range(rounds(2, STATEMENTS)))]
    for number, statements in enumerate(chosen):
        folder = tmp_path / f"killed-{number}"
        shutil.copytree(template, folder)
        process = processes.Process(target=restore_and_die, args=(folder, first, statements))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        with opened_company(company_settings(folder)) as company:
            is_done = company.snapshot() > before
            assert is_done == (statements < 0 or len(company.runs()) == 1)
            assert is_done or validated(company) == never_restored
            restore(company.lake, company.settings, first)
            company.validate()
            assert validated(company) == never_restored
