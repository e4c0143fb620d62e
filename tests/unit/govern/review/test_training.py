"""Choosing the pairs that improve a model most."""

from __future__ import annotations

from dataflow.govern.review.training import Candidate, choose


def candidates(*described: tuple[str, float, tuple[int, ...]]) -> list[Candidate]:
    return [Candidate((name, f"{name}x"), distance, pattern) for name, distance, pattern in described]


def chosen(given: list[Candidate], judged: dict[tuple[int, ...], int] | None = None, *, limit: int = 9) -> str:
    return "".join(left for left, _ in choose(given, judged or {}, limit=limit))


def test_the_nearest_to_the_threshold_come_first() -> None:
    assert chosen(candidates(("a", 3.0, (1,)), ("b", -0.5, (2,)), ("c", 1.0, (3,)))) == "bca"


def test_a_pattern_just_chosen_is_chosen_again_later() -> None:
    given = candidates(("a", 0.0, (1,)), ("b", 0.01, (1,)), ("c", 0.02, (1,)), ("d", 0.3, (2,)))
    assert chosen(given) == "adbc"


def test_patterns_that_were_judged_come_later() -> None:
    given = candidates(("a", 0.0, (1,)), ("b", 0.5, (2,)))
    assert chosen(given, {(1,): 3}) == "ba"


def test_a_pair_of_a_common_pattern_comes_before_one_of_a_rare_pattern() -> None:
    many = [(f"{n}", 0.2, (7,)) for n in range(9)]
    assert chosen(candidates(("a", 0.0, (1,)), *many), limit=1) == "0"


def test_at_most_the_limit_is_chosen_and_no_pair_twice() -> None:
    given = candidates(*((f"{n}", n / 10, (n % 3,)) for n in range(8)))
    assert len(chosen(given, limit=5)) == len(set(chosen(given, limit=5))) == 5
    assert sorted(chosen(given)) == sorted("01234567")
