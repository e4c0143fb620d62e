"""Simulate publications with incidents of known size, and count what the baselines find and what they find in vain.

A history has 60 publications of one object with 40 columns and some 50,000 rows: rows by weekday (at weekends half as
many) with a trend, the share of nulls of each column (half of the columns have none), five categories each of 12
columns, three quantiles each of 12 columns, different values of each column. Shares are those of rows that are drawn,
on top of the noise. In the last third of a history the number of rows, a share of nulls, a category share and a median
move by 25 %, up or down, for a publication (the median for two); later they move again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dataflow.publish.baselines.band import Array, Flags, Numbers
from dataflow.publish.baselines.judge import FEWEST_PUBLICATIONS, History, judge
from dataflow.tables.ops.quality import MEASURES

PUBLICATIONS, COLUMNS = 60, 40
SHIFT, NOISE = 0.25, 0.05
SHIFTED = ("volume", "null_share", "category_share", "median")
_ROWS = 50_000
_WEEK = np.array([1.0, 1.02, 0.98, 1.0, 1.05, 0.55, 0.5])
_WITHIN = {"volume": 1, "null_share": 1, "category_share": 1, "median": 2}
"""Publications within which a shift is to be seen."""


@dataclass
class Found:
    """What was found: shifts seen of how many, by measure and occurrence; alarms where nothing was shifted."""

    seen: dict[tuple[str, int], int] = field(default_factory=dict)
    shifts: dict[tuple[str, int], int] = field(default_factory=dict)
    false_alarms: int = 0
    publications: int = 0
    series: int = 0

    def share(self, measure: str, occurrence: int) -> float:
        """Return the share of the shifts that was seen in time."""
        return self.seen[measure, occurrence] / self.shifts[measure, occurrence]


@dataclass(frozen=True)
class _Simulated:
    values: Array
    is_share: Flags
    measures: Numbers
    rows: Array


def simulate(histories: int, *, noise: str, seed: int = 24) -> Found:
    """Judge so many histories. `noise`: `uniform`, within 5 %, or `normal`, with a standard deviation of 5 %."""
    draw, found = np.random.default_rng(seed), Found()
    for _ in range(histories):
        made = _simulated(draw, noise)
        shifted = _shift(draw, made)
        _count(found, _judge_all(draw, made), shifted)
        found.series = int((made.values.max(axis=1) > 0).sum())
    return found


def _noise(draw: np.random.Generator, noise: str, size: int | tuple[int, int]) -> Array:
    found: Array = draw.uniform(-NOISE, NOISE, size) if noise == "uniform" else NOISE * draw.standard_normal(size)
    return found


def _simulated(draw: np.random.Generator, noise: str) -> _Simulated:
    days = np.arange(PUBLICATIONS)

    def series(levels: Array, *, pattern: float, trend: float) -> Array:
        shape = (len(levels), PUBLICATIONS)
        week = 1 + pattern * draw.standard_normal((len(levels), 7))
        drift = 1 + draw.uniform(-trend, trend, (len(levels), 1)) * days / PUBLICATIONS
        made: Array = levels[:, None] * week[:, days % 7] * drift * (1 + _noise(draw, noise, shape))
        return made

    volume = series(np.array([float(_ROWS)]), pattern=0.05, trend=0.3) * _WEEK[days % 7]
    nulls = np.vstack(
        [
            series(draw.uniform(0.05, 0.4, COLUMNS // 2), pattern=0.05, trend=0.1),
            np.zeros((COLUMNS - COLUMNS // 2, PUBLICATIONS)),
        ]
    )
    shares = series(draw.uniform(0.05, 0.4, 12 * 5), pattern=0.05, trend=0.1)
    distinct = series(draw.uniform(50, 5_000, COLUMNS), pattern=0.05, trend=0.2)
    medians, low, high = (series(draw.uniform(5, 500, 12), pattern=0.05, trend=0.2) for _ in range(3))
    groups = {"volume": volume, "null_share": nulls, "category_share": shares, "distinct": distinct}
    groups |= {"median": medians, "low": low, "high": high}
    measures = np.concatenate([np.full(len(rows), MEASURES.index(name)) for name, rows in groups.items()])
    is_share = np.isin(measures, [MEASURES.index("null_share"), MEASURES.index("category_share")])
    return _Simulated(np.vstack(list(groups.values())), is_share, measures, np.round(volume[0]))


def _shift(draw: np.random.Generator, made: _Simulated) -> dict[str, tuple[int, tuple[int, int]]]:
    """Move one series of each kind twice; return by measure its number and the two publications."""
    shifted = {}
    for measure in SHIFTED:
        known = np.nonzero((made.measures == MEASURES.index(measure)) & (made.values.max(axis=1) > 0))[0]
        row = int(draw.choice(known))
        first, second = int(draw.integers(38, 46)), int(draw.integers(50, 58))
        factor = 1 + SHIFT * draw.choice([-1, 1])
        for day in (first, second):
            made.values[row, day : day + _WITHIN[measure]] *= factor
            if measure == "volume":
                made.rows[day] = round(made.values[row, day])
        shifted[measure] = (row, (first, second))
    return shifted


def _judge_all(draw: np.random.Generator, made: _Simulated) -> Flags:
    """Draw the rows and judge each publication by those before; return the alarms, series by publications."""
    observed, rows = made.values.copy(), np.maximum(made.rows, 1).astype(np.int64)
    drawn = draw.binomial(rows, np.clip(made.values[made.is_share], 0, 1)) / rows
    observed[made.is_share] = drawn
    alarms, scores = np.zeros(observed.shape, dtype=bool), np.zeros(observed.shape)
    days = np.arange(PUBLICATIONS)
    for day in range(FEWEST_PUBLICATIONS, PUBLICATIONS):
        past = History(
            values=observed[:, :day],
            excluded=alarms[:, :day],
            days=days[:day].astype(float),
            weekdays=days[:day] % 7,
            measures=made.measures,
            last_score=np.where(alarms[:, day - 1], 0.0, scores[:, day - 1]),
        )
        of = np.full(len(observed), float(rows[day]))
        found = judge(past, observed[:, day], of, day=float(day), weekday=day % 7)
        alarms[:, day], scores[:, day] = found.is_alarm, found.score
    return alarms


def _count(found: Found, alarms: Flags, shifted: dict[str, tuple[int, tuple[int, int]]]) -> None:
    others = alarms.copy()
    for measure, (row, days) in shifted.items():
        for occurrence, day in enumerate(days, start=1):
            key = (measure, occurrence)
            found.shifts[key] = found.shifts.get(key, 0) + 1
            found.seen[key] = found.seen.get(key, 0) + bool(alarms[row, day : day + _WITHIN[measure]].any())
            others[row, day : day + 2] = False
    judged = others[:, FEWEST_PUBLICATIONS:]
    found.false_alarms += int(judged.any(axis=0).sum())
    found.publications += judged.shape[1]


def best_share(series: int) -> float:
    """Return the share of the shifts that the best rule sees, of normal noise whose parameters it knows beforehand.

    It has one false alarm in 100 publications over all series, all treated alike.
    """
    from scipy.special import ndtr, ndtri

    limit = -ndtri(0.01 / series / 2)
    up, down = ((SHIFT - limit * NOISE) / (NOISE * factor) for factor in (1 + SHIFT, 1 - SHIFT))
    return float(ndtr(up) + ndtr(down)) / 2
