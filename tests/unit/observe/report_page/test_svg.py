"""Scales, ticks and numbers of axes."""

import pytest

from dataflow.observe.report_page import svg


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 10, [0, 2, 4, 6, 8, 10]), (0, 3, [0, 1, 2, 3]), (-7, 12, [-5, 0, 5, 10]), (5, 5, [5]), (0, 1e-9, None)],
)
def test_ticks_are_round_and_inside(low: float, high: float, expected: list[float] | None) -> None:
    found = svg.ticks(low, high, about=5)
    assert expected is None or found == pytest.approx(expected)
    assert 1 <= len(found) <= 11
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (0.5, "0.5"), (-3, "\N{MINUS SIGN}3"), (1500, "1.5k"), (2e6, "2M"), (7.25e9, "7.25G")],
)
def test_numbers_of_axes_are_short(number: float, shown: str) -> None:
    assert svg.short(number) == shown


def test_a_scale_of_one_value_does_not_divide_by_zero() -> None:
    assert svg.scale(3, 3, 10, 20)(3) == 10


def test_texts_are_cut_and_escaped() -> None:
    assert ">" + "a" * 39 + "…<" in svg.text(0, 0, "a" * 60)
    assert "&lt;b&gt;\\x1b" in svg.text(0, 0, "<b>\x1b")
    assert 'aria-label="&quot;x&quot;"' in svg.bar(0, 0, 0, 1, colour="red", label='"x"')
