"""A number agrees with its noun and its verb."""

from __future__ import annotations

import pytest

from lakehouse.plural import agreeing, counted


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 dead letters are"),
        (1, "1 dead letter is"),
        (2, "2 dead letters are"),
        (12_345, "12,345 dead letters are"),
    ],
)
def test_one_is_singular(number: int, text: str) -> None:
    assert f"{counted(number, 'dead letter')} {agreeing(number, 'is', 'are')}" == text


def test_a_plural_of_its_own() -> None:
    assert (counted(1, "copy", "copies"), counted(2, "copy", "copies")) == ("1 copy", "2 copies")
