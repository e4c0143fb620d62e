"""Fit a model to counted level patterns by expectation-maximisation; the levels of strangers are counted directly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dataflow.resolve.comparisons import Comparison
from dataflow.resolve.model.model import Parameters

ROUNDS = 30
FREEDOM = 12.0
"""The factor by which a level's m can move from its declared value: with small or odd samples the fit diverges."""
FLOOR = 1e-6
"""The least u of a level, for any number of strangers counted."""
PRIOR_PAIRS = 100
"""Strangers that count as seen to disagree, beside those counted."""
KIN_UNSEEN = 25.0
"""Pairs of kin (two close entities) assumed beside those found, at most KIN_UNSEEN_SHARE of the pairs of one entity."""
KIN_UNSEEN_SHARE = 0.1
KIN_MOST = 30.0
"""The most pairs of kin, as a multiple of the pairs of one entity."""


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
        """Return the shares of `weights` (times counts) on the comparison's levels, best first, and their sum."""
        gamma = self.gammas[:, self.names.index(comparison.name)]
        size = len(comparison.levels)
        present = gamma >= 0
        totals = np.bincount(size - 1 - gamma[present], weights=(weights * self.counts)[present], minlength=size)
        total = float(totals.sum())
        return [float(x) / total if total else 0.0 for x in totals], total


def first_parameters(comparisons: tuple[Comparison, ...], record_count: int) -> Parameters:
    """Return the start of training: declared m, a guess for u, one true pair for each record."""
    prior = 1 / max(record_count, 2)
    m = {c.name: [level.m for level in c.levels] for c in comparisons}
    u = {
        c.name: [
            level.u if level.u is not None else 0.9 if number == len(c.levels) - 1 else 0.01
            for number, level in enumerate(c.levels)
        ]
        for c in comparisons
    }
    return Parameters(prior=prior, kin_prior=prior / 4, m=m, u=u)


def fit_parameters(
    comparisons: tuple[Comparison, ...],
    start: Parameters,
    *,
    strangers: Patterns,
    likely: Patterns,
    record_count: int,
) -> Parameters:
    """Fit prior, m and u; they are rounded, so that the order in which threads add changes nothing."""
    pair_count = max(record_count * (record_count - 1) / 2, 1.0)
    fitted = Parameters(prior=start.prior, kin_prior=start.kin_prior, m=dict(start.m), u=dict(start.u))
    for _ in range(ROUNDS):
        fitted.u = {c.name: _stranger_levels(c, fitted, strangers) for c in comparisons}
        matched, kin = _class_probabilities(comparisons, fitted, likely)
        fitted.m = {c.name: _bounded(c, _matched_levels(c, likely, matched), fitted.u[c.name]) for c in comparisons}
        expected = float((matched * likely.counts).sum()) / pair_count
        fitted.prior = min(max(expected, 0.05 / record_count), 20 / max(record_count, 40))
        unseen = min(KIN_UNSEEN / pair_count, KIN_UNSEEN_SHARE * fitted.prior)
        fitted.kin_prior = min(float((kin * likely.counts).sum()) / pair_count + unseen, KIN_MOST * fitted.prior)
    fitted.u = {c.name: _stranger_levels(c, fitted, strangers) for c in comparisons}
    fitted.m = {c.name: _bounded(c, fitted.m[c.name], fitted.u[c.name]) for c in comparisons}
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
            # some of the random pairs are matches; in a small table they are most of those that agree
            strange = max((share - fitted.prior * m) / (1 - fitted.prior), share / 20)
            # smoothed for small samples: as if PRIOR_PAIRS more pairs had been seen on the last level
            prior = 1.0 if level is comparison.levels[-1] else 0.0
            seen = (strange * total + prior * PRIOR_PAIRS) / (total + PRIOR_PAIRS)
            found.append(min(max(seen, 0.3 / (total + PRIOR_PAIRS), FLOOR), 0.999))
    return found


def _class_probabilities(
    comparisons: tuple[Comparison, ...], fitted: Parameters, patterns: Patterns
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the probability of each pattern to be of one entity, and of two close ones; the rest are strangers."""
    weight = patterns.adjustments + math.log2(fitted.prior / (1 - fitted.prior))
    close = np.full_like(weight, math.log2(fitted.kin_prior / (1 - fitted.prior)))
    for comparison in comparisons:
        gamma = patterns.gammas[:, patterns.names.index(comparison.name)]
        m, u, kin = fitted.m[comparison.name], fitted.u[comparison.name], kin_shares(comparison)
        for total, shares in ((weight, m), (close, kin)):
            ratios = [math.log2(a / b) for a, b in zip(shares, u, strict=True)]
            total += np.array([*reversed(ratios), 0.0])[gamma]
    same, near = np.exp2(np.clip(weight, -60, 60)), np.exp2(np.clip(close, -60, 60))
    return np.asarray(same / (1 + same + near)), np.asarray(near / (1 + same + near))


def kin_shares(comparison: Comparison) -> list[float]:
    """Return the distribution of the levels between two close entities, best level first."""
    total = sum(level.kin for level in comparison.levels)
    return [level.kin / total for level in comparison.levels]


def kin_weights(comparisons: tuple[Comparison, ...], fitted: Parameters) -> dict[str, list[float]]:
    """Return log2 of one entity to two close ones for each level, by gamma from 0; '' holds that of the priors."""
    weights = {"": [round(math.log2(fitted.prior / fitted.kin_prior), 6)]}
    for comparison in comparisons:
        pairs = zip(fitted.m[comparison.name], kin_shares(comparison), strict=True)
        weights[comparison.name] = [round(math.log2(m / kin), 6) for m, kin in pairs][::-1]
    return weights


def _matched_levels(comparison: Comparison, likely: Patterns, matched: NDArray[np.float64]) -> list[float]:
    shares, total = likely.shares(comparison, matched)
    # smoothed: as if fifty more pairs had been distributed as declared
    trust = total / (total + 50)
    moved = []
    for level, share in zip(comparison.levels, shares, strict=True):
        wanted = level.m if level.fixed else trust * share + (1 - trust) * level.m
        moved.append(min(max(wanted, level.m / FREEDOM), level.m * FREEDOM, 0.999))
    return [value / sum(moved) for value in moved]


def _bounded(comparison: Comparison, m: list[float], u: list[float]) -> list[float]:
    """Return m such that no level of disagreement weighs more than it can, nor more than a lesser disagreement.

    What is left goes to the levels of agreement, in their proportions.
    """
    found, most = list(m), math.inf
    disagrees = [comparison.most(level) is not None for level in comparison.levels]
    for number, level in enumerate(comparison.levels):
        if (own := comparison.most(level)) is not None:
            most = min(most, 2.0**own)
            found[number] = min(m[number], u[number] * most)
            most = found[number] / u[number]
    rest = 1 - sum(value for value, is_one in zip(found, disagrees, strict=True) if is_one)
    agreed = sum(value for value, is_one in zip(found, disagrees, strict=True) if not is_one)
    return [value if is_one else value * rest / agreed for value, is_one in zip(found, disagrees, strict=True)]


def _rounded(fitted: Parameters) -> Parameters:
    def short(values: list[float]) -> list[float]:
        return [float(f"{value:.5g}") for value in values]

    return Parameters(
        prior=float(f"{fitted.prior:.5g}"),
        kin_prior=float(f"{fitted.kin_prior:.5g}"),
        m={name: short(values) for name, values in fitted.m.items()},
        u={name: short(values) for name, values in fitted.u.items()},
    )
