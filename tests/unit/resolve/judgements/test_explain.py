"""The texts of an explanation, which need no statistics."""

from __future__ import annotations

import pytest

from dataflow.resolve.judgements.explain import Explanation, _named


def explanation(*, weight: float, probability: float) -> Explanation:
    return Explanation(
        entity_type="person", steps=(), not_compared=(), weight=weight, probability=probability, link_weight=2.0,
        link_probability=0.8,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("weight", "probability", "chance", "outcome"),
    [
        (-9.0, 0.002, "less than 1 in 100", "so it would not join them by itself"),
        (0.5, 0.5858, "59 in 100", "so it would not join them by itself"),
        (2.0, 0.8, "80 in 100", "so it would join them"),
        (12.0, 0.9998, "more than 99 in 100", "so it would join them"),
    ],
)
def test_the_outcome_is_a_chance_in_a_hundred(weight: float, probability: float, chance: str, outcome: str) -> None:
    summary = explanation(weight=weight, probability=probability).summary
    assert summary == (
        f"All in all, the chance that they are one person is {chance}. "
        f"The model joins records from 80 in 100 on, {outcome}."
    )


@pytest.mark.parametrize(
    ("label", "comparison", "named"),
    [
        ("one digit apart", "phone", "one digit apart (telephone)"),
        ("same telephone", "phone", "same telephone"),
        ("nickname", "given", "nickname"),
        ("initial", "given", "initial (given name)"),
        ("two digits wrong", "birth", "two digits wrong (date of birth)"),
        ("same year or same day of the year", "birth", "same year or same day of the year (date of birth)"),
        ("same door", "address", "same door"),
    ],
)
def test_a_label_names_the_field_that_was_compared(label: str, comparison: str, named: str) -> None:
    assert _named(label, comparison) == named
