"""Keep what the sources hold: the latest version of each record, for updates, deletions and repeats."""

from __future__ import annotations

import numpy as np

from dataflow.sample.arrays import Flags, Frame, Ints, height, stack, take
from dataflow.sample.objects import OBJECTS, Key


class Ledger:
    """One frame per object, one row per record ever built.

    `exists`: not deleted. `known`: a valid version has been delivered. `intact`: the last delivered version was valid,
    so that delivering it again is a true duplicate.
    """

    def __init__(self) -> None:
        self.frames: dict[Key, Frame] = {}
        self.exists: dict[Key, Flags] = {key: np.zeros(0, dtype=bool) for key in OBJECTS}
        self.known: dict[Key, Flags] = {key: np.zeros(0, dtype=bool) for key in OBJECTS}
        self.intact: dict[Key, Flags] = {key: np.zeros(0, dtype=bool) for key in OBJECTS}

    def add(self, key: Key, frame: Frame, valid: Flags) -> None:
        """Append new records."""
        self.frames[key] = stack([self.frames[key], frame]) if key in self.frames else frame
        self.exists[key] = np.concatenate([self.exists[key], np.ones(height(frame), dtype=bool)])
        self.known[key] = np.concatenate([self.known[key], valid])
        self.intact[key] = np.concatenate([self.intact[key], valid])

    def take(self, key: Key, rows: Ints) -> Frame:
        return take(self.frames[key], rows)

    def change(self, key: Key, rows: Ints, frame: Frame, valid: Flags) -> None:
        """Replace the latest version of existing records."""
        for name, column in frame.items():
            self.frames[key][name][rows] = column
        self.known[key][rows] |= valid
        self.intact[key][rows] = valid

    def usable(self, key: Key) -> Ints:
        """Return the rows that others can refer to: not deleted, and delivered in a valid version."""
        return np.flatnonzero(self.exists[key] & self.known[key])
