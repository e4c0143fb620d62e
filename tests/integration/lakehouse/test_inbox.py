"""Messages are taken once by takers that race and by takers that are killed, on every kind of catalogue."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from lakehouse import LakeLocation
from tests.lib.inboxes import NOTE, TAKEN, inbox_of, noted, take, take_beside_another, take_until_killed, write
from tests.lib.lakes import kill_at_random, local_lake, opened, processes, running
from tests.lib.servers.postgres import PostgresServer


def test_of_takers_that_race_one_takes_each_message(postgres: PostgresServer, tmp_path: Path) -> None:
    """Both have read the inbox before either commits; also for the first messages that the lake ever takes."""
    location = LakeLocation(
        catalogue=postgres.create_database("inbox"), data=tmp_path / "data", published=tmp_path / "published"
    )
    inbox = inbox_of(location)
    with opened(location) as lake:
        lake.ensure((NOTE, TAKEN))
        written: list[str] = []
        for _ in range(2):
            written += [write(inbox, number).id for number in range(3)]
            ready, told = processes.Barrier(2), processes.Queue()
            with ExitStack() as stack:
                takers = [stack.enter_context(running(take_beside_another, location, ready, told)) for _ in range(2)]
                for taker in takers:
                    taker.join(120)
                    assert taker.exitcode == 0
            assert sorted(told.get(timeout=10) for _ in takers) == [0, 3]
            assert noted(lake) == sorted(written)
            assert inbox.read().messages == ()


def test_takers_killed_at_any_time_lose_and_double_nothing(tmp_path: Path, rounds: Callable[[int, int], int]) -> None:
    location, chance = local_lake(tmp_path), random.Random(16)
    inbox, written = inbox_of(location), []
    for _ in range(rounds(4, 60)):
        written += [write(inbox, number).id for number in range(25)]
        kill_at_random(location, take_until_killed, worker="victim", chance=chance)
    with opened(location) as lake:
        take(lake, inbox)
        assert noted(lake) == written
    left = {message.id for message in inbox.read().messages}
    assert left <= set(written), "a killed taker leaves messages it took, and nothing else"
