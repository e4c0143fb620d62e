"""Which pairs teach most."""

from __future__ import annotations

from dataflow.govern.review.training import Candidate, choose


def candidates(*described: tuple[str, float, tuple[int, ...]]) -> list[Candidate]:
    return [Candidate((name, f"{name}x"), distance, pattern) for name, distance, pattern in described]


def chosen(given: list[Candidate], judged: dict[tuple[int, ...], int] | None = None, *, limit: int = 9) -> str:
    return "".join(left for left, _ in choose(given, judged or {}, limit=limit))


def test_the_nearest_to_the_threshold_come_first() -> None:
    assert chosen(candidates(("a", 3.0, (1,)), ("b", -0.5, (2,)), ("c", 1.0, (3,)))) == "bca"


def test_what_was_just_asked_is_asked_again_later() -> None:
    given = candidates(("a", 0.0, (1,)), ("b", 0.01, (1,)), ("c", 0.02, (1,)), ("d", 0.3, (2,)))
    assert chosen(given) == "adbc"


def test_patterns_that_were_judged_come_later() -> None:
    given = candidates(("a", 0.0, (1,)), ("b", 0.5, (2,)))
    assert chosen(given, {(1,): 3}) == "ba"


def test_an_answer_that_speaks_for_many_comes_before_one_that_speaks_for_itself() -> None:
    many = [(f"{n}", 0.2, (7,)) for n in range(9)]
    assert chosen(candidates(("a", 0.0, (1,)), *many), limit=1) == "0"


def test_no_more_are_asked_than_wanted_and_none_twice() -> None:
    given = candidates(*((f"{n}", n / 10, (n % 3,)) for n in range(8)))
    assert len(chosen(given, limit=5)) == len(set(chosen(given, limit=5))) == 5
    assert sorted(chosen(given)) == sorted("01234567")
