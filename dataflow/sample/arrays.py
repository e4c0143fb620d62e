"""Provide columns of text and the vector operations that every part of the sample uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Text = npt.NDArray[Any]  # dtype object: str or None
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Times = npt.NDArray[np.datetime64]
Frame = dict[str, npt.NDArray[Any]]
Random = np.random.Generator


def text(values: Iterable[Any]) -> Text:
    """Build an object column; a plain np.array would guess a dtype and cut or pad strings."""
    items = list(values)
    column = np.empty(len(items), dtype=object)
    column[:] = items
    return column


def blank(size: int) -> Text:
    return np.full(size, None, dtype=object)


def either(rows: Flags, yes: Any, no: Any) -> Text:
    """Take `yes` in the flagged rows and `no` in the others; each is a column or one value, possibly None."""
    column = np.empty(len(rows), dtype=object)
    column[:] = no
    column[rows] = yes[rows] if isinstance(yes, np.ndarray) else yes
    return column


def present(column: Text) -> Flags:
    """Flag the rows that hold a value."""
    return np.fromiter((value is not None for value in column.tolist()), dtype=bool, count=len(column))


def chance(rng: Random, size: int, rate: float) -> Flags:
    return rng.random(size) < rate


def apply_change(column: Text, rows: Flags, change: Callable[[str, int], str], rng: Random) -> None:
    """Apply `change(value, random int)` in place to the flagged rows that hold a value."""
    at = np.flatnonzero(rows)
    for row, dice in zip(at.tolist(), rng.integers(0, 2**31, at.size).tolist(), strict=True):
        if column[row]:
            column[row] = change(column[row], dice)


def skewed(size: int, *, exponent: float = 0.85, offset: float = 6.0) -> npt.NDArray[np.float64]:
    """Return cumulative Zipf-like weights; the offset keeps the most common value below a small percentage."""
    weights = 1.0 / np.power(np.arange(size) + offset, exponent)
    return np.asarray(np.cumsum(weights) / weights.sum())


def draw(rng: Random, size: int, cumulative: npt.NDArray[np.float64]) -> Ints:
    """Draw indices from cumulative weights."""
    return np.minimum(np.searchsorted(cumulative, rng.random(size)), len(cumulative) - 1).astype(np.int64)


def choose(rng: Random, size: int, options: dict[str | None, float]) -> Text:
    """Draw from weighted options."""
    cumulative = np.cumsum(np.fromiter(options.values(), dtype=float))
    return text(options)[draw(rng, size, cumulative / cumulative[-1])]


def stack(frames: list[Frame]) -> Frame:
    """Concatenate frames with the same columns."""
    return {name: np.concatenate([frame[name] for frame in frames]) for name in frames[0]}


def take(frame: Frame, rows: Ints | Flags) -> Frame:
    return {name: column[rows] for name, column in frame.items()}


def height(frame: Frame) -> int:
    return len(next(iter(frame.values())))
