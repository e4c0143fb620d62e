"""Fit a model to counted level patterns: expectation-maximisation with the strangers' levels held fixed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dataflow.resolve.model import Parameters
from dataflow.resolve.spec import Comparison

ROUNDS = 15
# a level's m may move from its declared value by this factor: with few or strange pairs the fit runs to the walls
FREEDOM = 3.0
# no level is rarer than this between strangers, however few of them were looked at
FLOOR = 1e-6
FEW = 100


@dataclass(frozen=True)
class Patterns:
    """Level patterns and how many pairs show each. `levels` counts from 0 (best level); -1 is missing."""

    names: tuple[str, ...]
    gammas: NDArray[np.int64]
    adjustments: NDArray[np.float64]
    counts: NDArray[np.float64]

    @classmethod
    def of(cls, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> Self:
        table = np.array(rows, dtype=np.float64).reshape(len(rows), len(names) + 2)
        width = len(names)
        return cls(names, table[:, :width].astype(np.int64), table[:, width], table[:, width + 1])

    def scaled(self, factor: float) -> Patterns:
        return Patterns(self.names, self.gammas, self.adjustments, self.counts * factor)

    def shares(self, comparison: Comparison, weights: NDArray[np.float64]) -> tuple[list[float], float]:
        """How `weights` (times counts) fall on the comparison's levels, best first, and their sum."""
        gamma = self.gammas[:, self.names.index(comparison.name)]
        size = len(comparison.levels)
        present = gamma >= 0
        totals = np.bincount(size - 1 - gamma[present], weights=(weights * self.counts)[present], minlength=size)
        total = float(totals.sum())
        return [float(x) / total if total else 0.0 for x in totals], total


def first_parameters(comparisons: tuple[Comparison, ...], record_count: int) -> Parameters:
    """Where training starts: declared m, a guess for u, one true pair for each record."""
    prior = 1 / max(record_count, 2)
    m = {c.name: [level.m for level in c.levels] for c in comparisons}
    u = {
        c.name: [
            level.u if level.u is not None else 0.9 if number == len(c.levels) - 1 else 0.01
            for number, level in enumerate(c.levels)
        ]
        for c in comparisons
    }
    return Parameters(prior=prior, m=m, u=u)


def fit_parameters(
    comparisons: tuple[Comparison, ...],
    start: Parameters,
    *,
    strangers: Patterns,
    likely: Patterns,
    record_count: int,
) -> Parameters:
    """Fit prior, m and u. Weights are rounded, so that threads adding in another order change nothing."""
    pair_count = max(record_count * (record_count - 1) / 2, 1.0)
    fitted = Parameters(prior=start.prior, m=dict(start.m), u=dict(start.u))
    for _ in range(ROUNDS):
        fitted.u = {c.name: _stranger_levels(c, fitted, strangers) for c in comparisons}
        matched = _match_probabilities(comparisons, fitted, likely)
        fitted.m = {c.name: _matched_levels(c, likely, matched) for c in comparisons}
        expected = float((matched * likely.counts).sum()) / pair_count
        fitted.prior = min(max(expected, 0.05 / record_count), 20 / max(record_count, 40))
    fitted.u = {c.name: _stranger_levels(c, fitted, strangers) for c in comparisons}
    return _rounded(fitted)


def _stranger_levels(comparison: Comparison, fitted: Parameters, strangers: Patterns) -> list[float]:
    shares, total = strangers.shares(comparison, np.ones_like(strangers.counts))
    found = []
    for level, share, m in zip(comparison.levels, shares, fitted.m[comparison.name], strict=True):
        if level.u is not None:
            found.append(level.u)
        elif level.odds is not None:
            found.append(min(m * fitted.prior / level.odds, 0.5))
        else:
            # some of the blind pairs are matches; in a small table they are most of those that agree
            strange = max((share - fitted.prior * m) / (1 - fitted.prior), share / 20)
            # and where hardly any pairs were looked at, as if a hundred had been seen to disagree
            prior = 1.0 if level is comparison.levels[-1] else 0.0
            seen = (strange * total + prior * FEW) / (total + FEW)
            found.append(min(max(seen, 0.3 / (total + FEW), FLOOR), 0.999))
    return found


def _match_probabilities(
    comparisons: tuple[Comparison, ...], fitted: Parameters, patterns: Patterns
) -> NDArray[np.float64]:
    weight = patterns.adjustments + math.log2(fitted.prior / (1 - fitted.prior))
    for comparison in comparisons:
        gamma = patterns.gammas[:, patterns.names.index(comparison.name)]
        m, u = fitted.m[comparison.name], fitted.u[comparison.name]
        by_gamma = np.array([*(math.log2(a / b) for a, b in reversed(list(zip(m, u, strict=True)))), 0.0])
        weight = weight + by_gamma[gamma]
    return np.asarray(1 / (1 + np.exp2(-np.clip(weight, -60, 60))), dtype=np.float64)


def _matched_levels(comparison: Comparison, likely: Patterns, matched: NDArray[np.float64]) -> list[float]:
    shares, total = likely.shares(comparison, matched)
    # as if fifty pairs had been seen to fall as declared
    trust = total / (total + 50)
    moved = []
    for level, share in zip(comparison.levels, shares, strict=True):
        wanted = level.m if level.fixed else trust * share + (1 - trust) * level.m
        moved.append(min(max(wanted, level.m / FREEDOM), level.m * FREEDOM, 0.999))
    return [value / sum(moved) for value in moved]


def _rounded(fitted: Parameters) -> Parameters:
    def short(values: list[float]) -> list[float]:
        return [float(f"{value:.5g}") for value in values]

    return Parameters(
        prior=float(f"{fitted.prior:.5g}"),
        m={name: short(values) for name, values in fitted.m.items()},
        u={name: short(values) for name, values in fitted.u.items()},
    )
