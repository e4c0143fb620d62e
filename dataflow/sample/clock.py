"""Draw the times of events on the sample's own clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from dataflow.sample.arrays import Random, Times

# A first load contains the records of three years of business.
_HISTORY_SECONDS = 3 * 365 * 86_400
_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Day:
    """One day of deliveries; `number` is 1 on the first load."""

    number: int
    date: date

    @property
    def first_load(self) -> bool:
        return self.number == 1

    @property
    def start(self) -> np.datetime64:
        return np.datetime64(self.date, "s")

    @property
    def end(self) -> np.datetime64:
        return self.start + np.timedelta64(_DAY_SECONDS - 1, "s")


def made_and_changed(rng: Random, size: int, day: Day) -> tuple[Times, Times]:
    """Draw creation and last change: over the three years before the end of a first load, on a later day within it."""
    span = _HISTORY_SECONDS if day.first_load else _DAY_SECONDS
    # Recent times are more frequent: the business grows.
    age = (rng.random(size) ** 1.5 * (span - 2)).astype(np.int64)
    made = day.end - age.astype("timedelta64[s]")
    changed = made + (rng.random(size) ** 0.7 * age).astype(np.int64).astype("timedelta64[s]")
    return made, changed


def within(rng: Random, size: int, day: Day) -> Times:
    """Draw timestamps within the day."""
    return day.start + rng.integers(0, _DAY_SECONDS, size).astype("timedelta64[s]")
