"""Compute what is normal of many series, from what they were: level, weekday, trend, and the spread around them.

A series is first fitted by medians, and points further than four median deviations from that fit are left out. The
others are fitted by least squares with a trend and a part for each weekday, which is drawn towards none as far as the
weekdays of that series differ no more than chance makes them. The spread of a series is drawn towards that of the
series of its kind (Smyth 2004, "Linear models and empirical Bayes methods", section 4): the spread of a few points is
uncertain, and one false alarm in a hundred publications over hundreds of series is a question of the far tail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]

_MAD_TO_SIGMA = 1.4826
"""Standard deviations of a normal distribution in one median absolute deviation."""
_OUTLYING = 5.0
_WEEK = 7
_TINY = 1e-12
_NO_EFFECT = 1e6
"""Penalty of weekday effects that leaves none."""
_FEWEST_OF_A_KIND = 5
_FEWEST_FOR_TAIL = 1_000
"""Residuals from which their 99 % quantile is known well."""
_TAILS = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0)
"""Degrees of freedom of the tails that are distinguished; noise with more counts as normal."""


@dataclass(frozen=True)
class Past:
    """The points of series before the one that is judged.

    Shape: `values` and `used` are series by points; an unused point counts for nothing. `days` and `weekdays` are by
    point, `kinds` by series: series of one kind share what is known of their spread.
    """

    values: Array
    used: Flags
    days: Array
    weekdays: Numbers
    kinds: Numbers


@dataclass(frozen=True)
class Band:
    """What is expected of the next point of each series: `center`, standard error, degrees of freedom of the error.

    `relative` is the standard error as a share of the center; 0 where the center is 0. `residuals` are those of the
    points that were used, of all series together, in standard deviations of their series.
    """

    center: Array
    relative: Array
    freedom: Array
    residuals: Array


def fit_band(past: Past, *, day: float, weekday: int) -> Band:
    """Fit each series of positive values and predict its value on `day`; a series of zeros is expected to be 0."""
    used = past.used & np.isfinite(past.values) & (past.values > 0)
    y = np.log(np.where(used, past.values, 1.0))
    t = (past.days - day) / max(float(day - past.days[0]), 1.0)
    week = (past.weekdays[:, None] == np.arange(_WEEK)).astype(float)
    flat, kept = _rough_fit(y, used, t, past.weekdays)
    x = np.column_stack([np.ones_like(t), t, week])
    w = kept.astype(float)
    ridge = np.zeros((len(y), x.shape[1], x.shape[1]))
    ridge[:, 2:, 2:] = _penalty(flat, w, week)[:, None, None] * np.eye(_WEEK)
    gram = (w @ (x[:, :, None] * x[:, None, :]).reshape(len(t), -1)).reshape(ridge.shape)
    inverse = np.linalg.inv(gram + ridge + 1e-6 * np.eye(x.shape[1]))
    beta = np.einsum("sij,sj->si", inverse, (w * y) @ x)
    points = w.sum(axis=1)
    freedom = np.maximum(points - np.einsum("sij,sji->s", inverse, gram), 1.0)
    residual = y - beta @ x.T
    variance = (w * residual**2).sum(axis=1) / freedom
    now = np.concatenate([[1.0, 0.0], (np.arange(_WEEK) == weekday).astype(float)])
    leverage = np.einsum("i,sij,j->s", now, inverse, now)
    moderated, total = _moderated(variance, freedom, past.kinds)
    known = points > 0
    return Band(
        center=np.where(known, np.exp(beta @ now), 0.0),
        relative=np.where(known, np.sqrt(moderated * (1 + leverage)), 0.0),
        freedom=total,
        residuals=(residual / np.sqrt(np.maximum(variance, _TINY))[:, None])[kept & (variance > _TINY)[:, None]],
    )


def limits(band: Band, chance: Array) -> Array:
    """Return for each series how many standard errors are passed with this chance, from either side together.

    The tail of the noise is that of the residuals of all series: the ratio of their 99 % quantile to their median gives
    the t distribution that they are most like. A few thousand points say that reliably, those of one series never.
    """
    from scipy.special import stdtrit

    half = chance / 2
    limit: Array = -stdtrit(band.freedom, half)
    if len(band.residuals) >= _FEWEST_FOR_TAIL:
        ratio = float(np.quantile(np.abs(band.residuals), 0.99) / np.median(np.abs(band.residuals)))
        ratios = np.array([stdtrit(nu, 0.995) / stdtrit(nu, 0.75) for nu in _TAILS])
        # The ratios fall as the freedom grows.
        nu = float(np.interp(-ratio, -ratios, _TAILS))
        if nu < _TAILS[-1]:
            limit *= np.sqrt((nu - 2) / nu) * stdtrit(nu, half) / stdtrit(1e6, half)
    return limit


def _rough_fit(y: Array, used: Flags, t: Array, weekdays: Numbers) -> tuple[Array, Flags]:
    """Return the series without their trend, and which points are near to the fit by medians."""
    level = _median(y, used)[:, None]
    rough = _weekday_medians(y, used, weekdays, level)
    early, late = t < np.quantile(t, 1 / 3), t > np.quantile(t, 2 / 3)
    apart = float(t[late].mean() - t[early].mean()) if early.any() and late.any() else 1.0
    left = y - rough
    slope = (_median(left[:, late], used[:, late]) - _median(left[:, early], used[:, early])) / apart
    flat = y - slope[:, None] * t
    rough = _weekday_medians(flat, used, weekdays, _median(flat, used)[:, None])
    off = np.abs(flat - rough)
    # Medians of two or three points are near to them: the deviations are too small by what the fit has used up.
    free = np.maximum(used.sum(axis=1) - _WEEK - 2, 1)
    spread = _MAD_TO_SIGMA * _median(off, used & (off > 0)) * np.sqrt(used.sum(axis=1) / free)
    return flat, used & (off <= _OUTLYING * np.maximum(spread, 1e-4)[:, None])


def _penalty(flat: Array, w: Array, week: Array) -> Array:
    """Return by series the ridge penalty of weekday effects: the noise by the variance between weekdays."""
    counts, sums = w @ week, (w * flat) @ week
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    total = np.maximum(w.sum(axis=1), 1)
    present = (counts > 0).sum(axis=1)
    noise = (w * (flat - means @ week.T) ** 2).sum(axis=1) / np.maximum(total - present, 1)
    grand = sums.sum(axis=1) / total
    between = (counts * (means - grand[:, None]) ** 2).sum(axis=1)
    effect = (between - (present - 1) * noise) / np.maximum(total - (counts**2).sum(axis=1) / total, 1)
    found = np.where(effect > _TINY, noise / np.maximum(effect, _TINY), _NO_EFFECT)
    return np.clip(found, 1e-3, _NO_EFFECT)


def _moderated(variance: Array, freedom: Array, kinds: Numbers) -> tuple[Array, Array]:
    """Draw the variances of the series of a kind together, as far as they differ no more than chance makes them."""
    from scipy.special import digamma, polygamma

    moderated, total = variance.copy(), freedom.copy()
    for kind in np.unique(kinds):
        chosen = (kinds == kind) & (variance > _TINY)
        if chosen.sum() < _FEWEST_OF_A_KIND:
            continue
        d = freedom[chosen]
        logs = np.log(variance[chosen]) - digamma(d / 2) + np.log(d / 2)
        excess = float(np.var(logs, ddof=1) - np.mean(polygamma(1, d / 2)))
        prior = min(2 * _inverse_trigamma(excess), 1e4) if excess > 1e-4 else 1e4
        center = np.exp(np.mean(logs) + np.log(prior / 2) * -1 + digamma(prior / 2))
        moderated[chosen] = (prior * center + d * variance[chosen]) / (prior + d)
        total[chosen] = np.minimum(prior + d, d.sum())
    return moderated, total


def _inverse_trigamma(x: float) -> float:
    from scipy.special import polygamma

    y = 0.5 + 1 / x
    for _ in range(20):
        value = float(polygamma(1, y))
        y += value * (1 - value / x) / float(polygamma(2, y))
    return y


def _median(values: Array, used: Flags) -> Array:
    """Return the median of the used points of each series; 0 of none. Far faster than nanmedian."""
    ordered = np.sort(np.where(used, values, np.inf), axis=1)
    counts = used.sum(axis=1)
    rows = np.arange(len(values))
    low, high = np.maximum((counts - 1) // 2, 0), np.minimum(counts // 2, max(values.shape[1] - 1, 0))
    found: Array = np.where(counts > 0, (ordered[rows, low] + ordered[rows, high]) / 2, 0.0)
    return found


def _weekday_medians(values: Array, used: Flags, weekdays: Numbers, level: Array) -> Array:
    """Return for each point the median of its weekday; the level of the series where the weekday has one point."""
    found = np.zeros_like(values)
    for weekday in np.unique(weekdays):
        chosen = weekdays == weekday
        some = used[:, chosen]
        enough = some.sum(axis=1) > 1
        found[:, chosen] = np.where(enough[:, None], _median(values[:, chosen], some)[:, None], level)
    return found
