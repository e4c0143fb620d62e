"""Writers, readers and maintenance at the same time, and killed at any time."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ExitStack

from lakehouse import LakeLocation
from tests.lib.lakes import (
    append,
    append_until_killed,
    commit,
    committed,
    kill_at_random,
    maintain_until_killed,
    opened,
    processes,
    read,
    read_until,
    running,
    upkeep,
)


def test_every_commit_of_several_processes_lands_exactly_once(
    location: LakeLocation, rounds: Callable[[int, int], int]
) -> None:
    openings, commits = rounds(2, 10), 3
    workers = [f"worker-{number}" for number in range(3)]
    with opened(location) as lake:
        # Two transactions that insert the same key do not conflict: the shared tally has to be there before.
        commit(lake, "first", 0)
    with ExitStack() as stack:
        at_work = [stack.enter_context(running(append, location, name, openings, commits)) for name in workers]
        for process in at_work:
            process.join(120)
            assert process.exitcode == 0
    expected = dict.fromkeys(workers, openings * commits)
    assert read(location) == {**expected, "first": 1, "all": 1 + sum(expected.values())}


def test_a_writer_killed_at_any_time_loses_only_its_open_transaction(
    location: LakeLocation, rounds: Callable[[int, int], int]
) -> None:
    chance = random.Random(7)
    before = 0
    for number in range(rounds(3, 60)):
        work = (append_until_killed, maintain_until_killed)[number % 2]
        kill_at_random(location, work, worker="victim", chance=chance)
        if before:
            assert read(location)["all"] >= before
        with opened(location) as lake:  # the dead writer's lock is free
            before = committed(lake.con).get("all", 0)
            commit(lake, "survivor", number)
            before += 1
            assert committed(lake.con)["all"] == before
    assert read(location)["all"] == before


def test_readers_never_fail_while_a_writer_commits_publishes_and_maintains(
    location: LakeLocation, rounds: Callable[[int, int], int]
) -> None:
    stop, told = processes.Event(), processes.Queue()
    with opened(location, alone=True) as lake:
        commit(lake, "writer", 0)
        with ExitStack() as stack:
            readers = [stack.enter_context(running(read_until, location, stop, told)) for _ in range(2)]
            for number in range(1, rounds(7, 100)):
                commit(lake, "writer", number)
                if number % 3 == 0:
                    upkeep(lake)
            stop.set()
            for _ in readers:
                answer = told.get(timeout=60)
                assert isinstance(answer, int), answer
                assert answer >= 2
