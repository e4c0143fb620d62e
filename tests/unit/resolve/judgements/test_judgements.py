"""What holds when stewards have judged: small tables of judgements, and which of them hold."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise

import pytest

from dataflow.resolve.judgements.judgements import DIFFERENT, SAME, Judgement, Standing, obstacles, settle

START = datetime(2026, 3, 1, tzinfo=UTC)


def judgements_of(*lines: str) -> list[Judgement]:
    """Judgements in the order of their time, each `left right verdict person`, `same!` needing a second person."""
    made = []
    for number, line in enumerate(lines):
        left, right, verdict, *person = line.split()
        made.append(
            Judgement(
                judgement_id=f"{number:03}", entity_type="person", left=min(left, right), right=max(left, right),
                verdict=verdict.removesuffix("!"), decided_by=person[0] if person else "ann",
                decided_at=START + timedelta(minutes=number), needs_second=verdict.endswith("!"),
            )
        )  # fmt: skip
    return made


def holding(judgements: list[Judgement]) -> dict[str, str]:
    """Pair to what holds, marked ? while a second person is awaited and × where it is contradicted."""
    return {"".join(s.newest.pair): _mark(s) for s in settle(judgements)}


def _mark(standing: Standing) -> str:
    return f"{standing.verdict or '-'}{'?' if standing.is_waiting else ''}{'×' if standing.is_contradicted else ''}"


@pytest.mark.parametrize(
    ("lines", "holds"),
    [
        ((), {}),
        (("a b same", "a b different"), {"ab": "different"}),
        (("a b different", "b a same"), {"ab": "same"}),
        (("a b same", "a b unsure"), {"ab": "unsure"}),
        (("a b same", "a b withdrawn"), {}),
        (("a b withdrawn", "a b same"), {"ab": "same"}),
        (("a a same",), {}),
    ],
)
def test_the_newest_counts(lines: tuple[str, ...], holds: dict[str, str]) -> None:
    assert holding(judgements_of(*lines)) == holds


@pytest.mark.parametrize(
    ("lines", "holds"),
    [
        (("a b same!",), {"ab": "-?"}),
        (("a b same!", "a b same! bob"), {"ab": "same"}),
        (("a b same! ann", "a b same! ANN"), {"ab": "-?"}),
        (("a b same!", "a b different bob"), {"ab": "different"}),
        # one person alone does not set aside what keeps them apart
        (("a b different bob", "a b same!"), {"ab": "different?"}),
        (("a b different bob", "a b same! ann", "a b same! bob"), {"ab": "same"}),
        (("a b same! ann", "a b withdrawn ann", "a b same! bob"), {"ab": "-?"}),
        # judged when they were small, it holds when they have grown
        (("a b same ann", "a b same! ann"), {"ab": "same"}),
    ],
)
def test_two_large_customers_need_two_people(lines: tuple[str, ...], holds: dict[str, str]) -> None:
    assert holding(judgements_of(*lines)) == holds


@pytest.mark.parametrize(
    ("lines", "holds"),
    [
        # the case of three: the newest same that fits holds, the other is set aside; different always holds
        (("a b same", "b c same", "a c different"), {"ab": "same×", "bc": "same", "ac": "different"}),
        (("a c different", "b c same", "a b same"), {"ac": "different", "bc": "same×", "ab": "same"}),
        (("a b same", "a b different"), {"ab": "different"}),
        (
            ("a b same", "b c same", "c d same", "a d different"),
            {"ab": "same×", "bc": "same", "cd": "same", "ad": "different"},
        ),
        # what is withdrawn or waits rules nothing out
        (("a b same", "b c same", "a c different", "a c withdrawn"), {"ab": "same", "bc": "same"}),
        (("a b same", "b c same!", "a c different"), {"ab": "same", "bc": "-?", "ac": "different"}),
    ],
)
def test_contradictions_have_one_outcome(lines: tuple[str, ...], holds: dict[str, str]) -> None:
    assert holding(judgements_of(*lines)) == holds


def test_obstacles_are_the_pairs_that_rule_a_same_out() -> None:
    standing = settle(judgements_of("c d different", "a b same", "b c same", "e f different", "a d same"))
    assert [s.newest.pair for s in standing if s.is_contradicted] == [("a", "b")]
    assert [s.newest.pair for s in obstacles(standing, ("a", "b"))] == [("c", "d")]


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_reading_does_not_matter_and_no_two_that_differ_are_joined(seed: int) -> None:
    chance = random.Random(seed)
    pairs = list(combinations("abcdefgh", 2))
    judgements = judgements_of(
        *(" ".join((*chance.choice(pairs), chance.choice(("same", "same", "different")))) for _ in range(14))
    )
    standing = settle(judgements)
    assert settle(chance.sample(judgements, k=len(judgements))) == standing
    groups = {record: {record} for record in "abcdefgh"}
    for one in standing:
        if one.joins:
            merged = groups[one.newest.left] | groups[one.newest.right]
            groups |= dict.fromkeys(merged, merged)
    for one in standing:
        if one.verdict == DIFFERENT:
            assert one.newest.right not in groups[one.newest.left]
        elif one.is_contradicted:
            together = groups[one.newest.left] | groups[one.newest.right]
            assert any({*s.newest.pair} <= together for s in standing if s.verdict == DIFFERENT)


def test_a_long_chain_is_settled() -> None:
    names = [f"r{number:05}" for number in range(3_000)]
    judgements = judgements_of(
        *(f"{left} {right} same" for left, right in pairwise(names)), f"{names[0]} {names[-1]} different"
    )
    standing = settle(judgements)
    assert sum(s.is_contradicted for s in standing) == 1
    assert sum(s.verdict == SAME for s in standing) == len(names) - 1
