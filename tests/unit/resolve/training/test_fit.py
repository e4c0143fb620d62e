"""Disagreement is never evidence for, whatever a model is fitted to, and more disagreement weighs no more."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import pairwise

import duckdb
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dataflow.resolve.comparisons import SPECS, EntitySpec
from dataflow.resolve.comparisons.parts import Comparison
from dataflow.resolve.model.model import comparisons_for
from dataflow.resolve.training.epoch import train_epoch
from dataflow.resolve.training.fit import Patterns, first_parameters, fit_parameters
from tests.lib.identities import match_records, population

ROUNDING = 1e-3
"""Parameters are rounded to five digits."""


def assert_no_positive_disagreement(comparison: Comparison, weights: list[float]) -> None:
    """`weights` are those of the levels, best first."""
    disagreements = [
        (level.label, comparison.most(level), weight)
        for level, weight in zip(comparison.levels, weights, strict=True)
        if comparison.most(level) is not None
    ]
    assert disagreements
    for label, most, weight in disagreements:
        assert most is not None
        assert weight <= most + ROUNDING <= ROUNDING, (comparison.name, label, weight)
    assert all(lesser >= greater - ROUNDING for (*_, lesser), (*_, greater) in pairwise(disagreements))


def random_patterns(chance: random.Random, spec: EntitySpec, *, rows: int, bias: float) -> Patterns:
    """Level patterns of no data in particular: levels that occur much, little or never, in any order."""
    favourites = {c.name: [chance.random() ** bias for _ in range(len(c.levels) + 1)] for c in spec.comparisons}
    drawn = []
    for _ in range(rows):
        levels = [chance.choices(range(-1, len(c.levels)), weights=favourites[c.name])[0] for c in spec.comparisons]
        drawn.append((*levels, 0.0, chance.choice((1, 1, 2, 30, 4000))))
    return Patterns.of(tuple(c.name for c in spec.comparisons), drawn)


@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_disagreement_in_any_table(spec: EntitySpec, rounds: Callable[[int, int], int]) -> None:
    @hypothesis_settings(max_examples=rounds(8, 2000), deadline=None)
    @given(
        seed=st.integers(0, 10**6), records=st.integers(2, 10**6), rows=st.integers(0, 40), bias=st.sampled_from((1, 6))
    )
    def try_out(seed: int, records: int, rows: int, bias: float) -> None:
        chance = random.Random(seed)
        strangers, likely = (random_patterns(chance, spec, rows=rows, bias=bias) for _ in range(2))
        comparisons = comparisons_for(spec, {column for c in spec.comparisons for column in c.columns})
        start = first_parameters(comparisons, records)
        fitted = fit_parameters(comparisons, start, strangers=strangers, likely=likely, record_count=records)
        for comparison in comparisons:
            ratios = zip(fitted.m[comparison.name], fitted.u[comparison.name], strict=True)
            assert sum(fitted.m[comparison.name]) == pytest.approx(1, abs=1e-3)
            assert_no_positive_disagreement(comparison, [math.log2(m / u) for m, u in ratios])

    try_out()


@pytest.mark.parametrize("people", [2, 12, 120])
def test_disagreement_in_trained_models(people: int) -> None:
    with duckdb.connect() as con:
        match_records(con, [record for _, record in population(people, people=people).values()], into="record")
        epoch = train_epoch(con, "record", spec=SPECS["person"], frequencies="frequency")
        for settings in epoch.model["comparisons"]:
            comparison = next(c for c in SPECS["person"].comparisons if c.name == settings["output_column_name"])
            levels = settings["comparison_levels"][1:]
            assert_no_positive_disagreement(
                comparison, [math.log2(one["m_probability"] / one["u_probability"]) for one in levels]
            )
