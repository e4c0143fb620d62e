"""Judge the figures of a publication: which are not as they have been.

All series together give one alarm in a hundred publications where nothing is wrong. This chance is divided among the
kinds of measures by what a change of them costs (SHARES), and evenly among the series of a kind. A series of more
columns is therefore judged a little more leniently: with 200 series a share has to be off by 4.1 standard errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataflow.publish.baselines.band import Array, Flags, Numbers, Past, fit_band, limits
from dataflow.tables.ops.quality import MEASURES

FEWEST_PUBLICATIONS = 14
"""Publications of a series before it is judged: two of each weekday."""
MOST_PUBLICATIONS = 60
"""Publications that a band is computed from."""
NEW_NORMAL = 14
"""After so many alarms in a row, the new level is the normal one."""

CHANCE = 0.004
"""The chance of a false alarm of a publication, over all series. The goal is 1 in 100; simulated histories have
about twice what is set here, since what is normal is itself known only from a few publications."""
SHARES = {
    "volume": 0.30,
    "null_share": 0.25,
    "category_share": 0.25,
    "median": 0.12,
    "distinct": 0.04,
    "low": 0.02,
    "high": 0.02,
}
_SHARE_MEASURES = ("null_share", "category_share")
_SMALLEST_SHARE_CHANGE = 0.005
"""A share that moves by less is no incident, however certain the move."""
_APPEARED = 0.02
"""The share from which something that has never been there is an alarm."""
_LEAST_RELATIVE = 0.01
"""Figures are never taken to be steadier than this."""
_CERTAIN = 99.0


@dataclass(frozen=True)
class History:
    """Series over publications, oldest first.

    Shape: `values` and `excluded` are series by publications; a missing value is NaN. `days` and `weekdays` are by
    publication, `measures` by series, as numbers of MEASURES. `last_score` is the score of the newest value, 0 where it
    was not normal.
    """

    values: Array
    excluded: Flags
    days: Array
    weekdays: Numbers
    measures: Numbers
    last_score: Array


@dataclass(frozen=True)
class Judged:
    """By series: what is expected, the least and most that is normal, the score, whether it is judged, and an alarm."""

    expected: Array
    lowest: Array
    highest: Array
    score: Array
    is_judged: Flags
    is_alarm: Flags


def judge(history: History, values: Array, rows: Array, *, day: float, weekday: int) -> Judged:
    """Judge the new `values`, which are of so many `rows`, by what the series were."""
    used = _used(history)
    judged = (used.sum(axis=1) >= FEWEST_PUBLICATIONS) & np.isfinite(values)
    past = Past(history.values, used, history.days, history.weekdays, history.measures)
    band = fit_band(past, day=day, weekday=weekday)
    center = band.center
    is_share = np.isin(history.measures, [MEASURES.index(name) for name in _SHARE_MEASURES])
    is_count = history.measures == MEASURES.index("volume")
    with np.errstate(divide="ignore", invalid="ignore"):
        counted = np.where(is_share, np.sqrt((1 - np.minimum(center, 1)) / (center * np.maximum(rows, 1))), 0.0)
        counted = np.where(is_count, 1 / np.sqrt(center), counted)
        relative = np.maximum(np.maximum(band.relative, counted), _LEAST_RELATIVE)
        score = np.where(center > 0, (values / center - 1) / relative, 0.0)
    never = judged & (center <= 0)
    chance = _chances(history.measures, judged & ~never)
    is_median = history.measures == MEASURES.index("median")
    # Of a median one look at this value, and one at its mean with the former one.
    limit = limits(band, np.where(is_median, chance / 2, chance))
    both = (score + history.last_score) / np.sqrt(2)
    off = (np.abs(score) > limit) | (is_median & (history.last_score != 0) & (np.abs(both) > limit))
    reach = np.where(center > 0, limit * np.where(center > 0, relative, 0.0) * center, 0.0)
    reach = np.maximum(reach, np.where(is_share, _SMALLEST_SHARE_CHANGE, 0.0))
    too_small = is_share & (np.abs(values - center) < _SMALLEST_SHARE_CHANGE)
    appeared = never & is_share & (values >= _APPEARED)
    reach = np.where(never, _APPEARED, reach)
    return Judged(
        expected=center,
        lowest=np.maximum(center - reach, 0.0),
        highest=np.where(is_share, np.minimum(center + reach, 1.0), center + reach),
        score=np.where(appeared, _CERTAIN, np.where(judged, score, 0.0)),
        is_judged=judged,
        is_alarm=np.where(never, appeared, judged & off & ~too_small),
    )


def _used(history: History) -> Flags:
    """Return the points that a band is computed from: without alarms, unless the newest are nothing but alarms."""
    known = np.isfinite(history.values)
    used = known & ~history.excluded
    if history.values.shape[1] >= NEW_NORMAL:
        newest = np.all((history.excluded & known)[:, -NEW_NORMAL:], axis=1, keepdims=True)
        recent = np.zeros(history.values.shape[1], dtype=bool)
        recent[-NEW_NORMAL:] = True
        used = np.where(newest, recent[None, :], used)
    return used


def _chances(measures: Numbers, judged: Flags) -> Array:
    """Return by series the chance of a false alarm that it may have; measures that are not there leave theirs over."""
    counts = {name: int((judged & (measures == MEASURES.index(name))).sum()) for name in MEASURES}
    whole = sum(SHARES[name] for name, count in counts.items() if count) or 1.0
    by_measure = np.array([CHANCE * SHARES[name] / whole / max(counts[name], 1) for name in MEASURES])
    found: Array = by_measure[measures]
    return found
