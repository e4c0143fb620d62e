"""Decisions that stewards make while runs publish and are killed: each is in the lake once."""

import random
import signal
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from dataflow.access.door import open_to_decide
from dataflow.access.inbox import inbox_at
from dataflow.access.lake import lake_location
from dataflow.access.pipeline import open_published
from dataflow.access.who import Who
from dataflow.govern.review.decisions import decide_pair
from dataflow.resolve.judgements.explain import Pair
from dataflow.resolve.judgements.messages import lay_over_judgements
from dataflow.settings import Settings
from tests.lib.homes import start_dataflow

DECISIONS = 100
SEED = 16


def some_pairs(settings: Settings) -> list[Pair]:
    with open_published(settings) as con:
        rows = con.execute(f"""
            SELECT record_id_l, record_id_r FROM resolved.edge ORDER BY md5(record_id_l || record_id_r)
            LIMIT {DECISIONS}
        """).fetchall()
    assert len(rows) == DECISIONS
    return [(left, right) for left, right in rows]


def decide(settings: Settings, pairs: Sequence[Pair], chance: random.Random) -> None:
    with open_to_decide(Who("ann"), door="review", settings=settings) as (door, inbox):
        judgements = lay_over_judgements(door.con, door.waiting)
        for pair in pairs:
            verdict, now = chance.choice(["same", "different", "unsure"]), datetime.now(UTC)
            decide_pair(
                door.con, inbox, pair, verdict, who="ann", why="as it is", now=now, large=1_000, judgements=judgements
            )


def test_each_decision_is_there_once(published: Settings, rounds: Callable[[int, int], int]) -> None:
    chance, pairs, kills = random.Random(SEED), some_pairs(published), rounds(1, 20)
    left = list(pairs)
    for number in range(kills + 1):
        process = start_dataflow(published.home, "run", "--publish-only")
        count = len(left) // (kills + 1 - number)
        decide(published, left[:count], chance)
        del left[:count]
        if number < kills:
            # From before the run has begun to after its commit: a run takes some seconds.
            time.sleep(chance.uniform(0, 6))
            process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode in (0, -signal.SIGKILL)
    assert left == []

    last = start_dataflow(published.home, "run", "--publish-only")
    _, errors = last.communicate()
    assert last.returncode == 0, errors.decode()
    with open_published(published) as con:
        said = con.execute("SELECT record_id_l, record_id_r FROM ops.judgement ORDER BY ALL").fetchall()
        taken = con.execute("SELECT count(*), count(DISTINCT message_id) FROM ops.inbox_taken").fetchall()
        [(unjudged,)] = con.execute("""
            SELECT count(*) FROM ops.judgement ANTI JOIN resolved.judged_pair USING (judgement_id)
        """).fetchall()
    assert said == sorted(pairs)
    assert taken == [(DECISIONS, DECISIONS)]
    assert unjudged == 0
    inbox = inbox_at(lake_location(published))
    assert inbox is not None
    assert inbox.read().messages == ()
