"""One reading of an object of a source: an adapter's own, or another way to the same rows, measured alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

from dataflow.bench.fresh import peak_rss_bytes
from dataflow.settings import SourceSettings
from dataflow.sources import ObjectState, PlannedWindow, make_source

OURS = "dataflow"
_ENOUGH_BYTES = 256 * 10**6

Count = Callable[[], tuple[int, int]]
"""Read, and return how many rows and bytes; 0 bytes where they are not known."""

Way = Callable[[str], "ReadFigures"]
"""Read in one way, in a process of its own; it is given its own name."""


@dataclass(frozen=True)
class Reading:
    """What is to be read: an object of a source, until it has brought so many rows."""

    source: str
    declared: SourceSettings
    object: str
    rows: int


Ways = Callable[[Reading], Mapping[str, Way]]
"""What an adapter names as its `ways`: the ways to read an object, by name, its own first."""


@dataclass(frozen=True, kw_only=True)
class ReadFigures:
    """One reading of an object. `bytes` are as stored, compressed or not; 0 where they are not known.

    `seconds` leave out the start of Python, the connection that planned, and imports.
    """

    source: str
    object: str
    way: str
    rows: int
    bytes: int
    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds

    @property
    def megabytes_per_second(self) -> float:
        return self.bytes / 1e6 / self.seconds

    def as_dict(self) -> dict[str, Any]:
        speeds = {"rows_per_second": self.rows_per_second, "megabytes_per_second": self.megabytes_per_second}
        return {**asdict(self), **speeds}


def read(reading: Reading, way: str) -> ReadFigures:
    """Read as a run does, window after window."""
    source = make_source(reading.source, reading.declared)
    # Planned before the clock starts: a folder's files are hashed then, and a bucket's are not.
    windows = enough(source.plan(reading.object, ObjectState()))
    with suppress(ImportError):
        # DuckDB loads it when it first meets Arrow: a quarter of a second within the first window. A run has it then.
        import pandas  # noqa: F401

    def count() -> tuple[int, int]:
        found = 0
        for window in windows:
            for batch in source.fetch(window).batches:
                found += batch.num_rows
                # Files are read to their end: their bytes are those of the rows.
                if found >= reading.rows and not window.parts:
                    return found, 0
        return found, sum(window.size_bytes for window in windows)

    return time_count(reading, count, way)


def enough(windows: Sequence[PlannedWindow]) -> list[PlannedWindow]:
    """Return the first windows, with enough files to measure a rate."""
    sizes = accumulate((window.size_bytes for window in windows), initial=0)
    return [window for window, before in zip(windows, sizes, strict=False) if before < _ENOUGH_BYTES]


def time_count(reading: Reading, count: Count, way: str) -> ReadFigures:
    """Count once, measured."""
    began, used = time.perf_counter(), time.process_time()
    rows, size = count()
    return ReadFigures(
        source=reading.source,
        object=reading.object,
        way=way,
        rows=rows,
        bytes=size,
        seconds=time.perf_counter() - began,
        cpu_seconds=time.process_time() - used,
        peak_rss_bytes=peak_rss_bytes(),
    )
