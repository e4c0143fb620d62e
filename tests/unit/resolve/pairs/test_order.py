"""Sorting numbers, those with equal high bits above all."""

from __future__ import annotations

import numpy as np
import pytest

from dataflow.resolve.pairs.order import Numbers, in_order, is_first

CHANCE = np.random.default_rng(5)
SPREAD = CHANCE.integers(0, 2**64, 3000, dtype=np.uint64)


@pytest.mark.parametrize(
    "numbers",
    [
        SPREAD,
        SPREAD % 50,
        # all begin alike, but for the last bits
        SPREAD % 50 + np.uint64(2**64 - 50),
        np.concatenate([SPREAD, SPREAD % 50, SPREAD[::3] + np.uint64(1)]),
        SPREAD[:1],
        SPREAD[:0],
    ],
    ids=["spread", "small", "large", "mixed", "one", "none"],
)
def test_the_order_is_that_of_a_stable_sort(numbers: Numbers) -> None:
    order, ordered = in_order(numbers)
    assert np.array_equal(order, np.argsort(numbers, kind="stable"))
    assert np.array_equal(ordered, np.sort(numbers))
    assert np.array_equal(ordered[is_first(ordered)], np.unique(numbers))
