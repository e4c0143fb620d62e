"""Hold what a benchmark measured, and compare it with its targets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One measured step of the benchmark: the sample, a first run, or the next day's increment.

    `seconds` is the wall time of the whole process, start of Python included; `stages` are seconds inside it.
    `cpu_seconds` is the processor time of the process itself: on a busy machine it is more reliable than wall time.
    """

    step: str
    records: int
    seconds: float
    cpu_seconds: float = 0.0
    peak_rss_bytes: int = 0
    bytes_written: int = 0
    orchestration_seconds: float = 0.0
    stages: Mapping[str, float]

    @property
    def rows_per_second(self) -> float:
        return self.records / self.seconds if self.seconds else 0.0

    @property
    def orchestration_share(self) -> float:
        """Return Prefect's share of the wall time: its import, its server, its states."""
        return self.orchestration_seconds / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "rows_per_second": self.rows_per_second,
            "orchestration_share": self.orchestration_share,
        }


@dataclass(frozen=True)
class Target:
    """The most seconds and bytes for a step at a size, on two cores."""

    step: str
    records: int
    seconds: float
    peak_rss_bytes: int | None


TARGETS = (
    Target("sample", 1_000_000, 60, 2 * GIB),
    Target("first run", 100_000, 90, 2 * GIB),
    Target("next day", 100_000, 30, None),
    Target("first run", 1_000_000, 300, 4 * GIB),
)
ORCHESTRATION_SHARE = 0.15
"""Upper limit of the share of Prefect in a run over 100,000 records."""


def judge(measured: Figures) -> str:
    """Compare with the target of this step and size; empty without a target."""
    for target in TARGETS:
        if (target.step, target.records) == (measured.step, measured.records):
            return keeps(measured.seconds, measured.peak_rss_bytes, target.seconds, target.peak_rss_bytes)
    return ""


def keeps(seconds: float, peak_rss_bytes: int, most_seconds: float, most_bytes: int | None) -> str:
    """Return whether seconds and memory stay within their limits, as text."""
    kept = seconds <= most_seconds and (most_bytes is None or peak_rss_bytes <= most_bytes)
    limit = f"≤ {most_seconds:g} s" + (f", ≤ {most_bytes / GIB:g} GiB" if most_bytes else "")
    return f"{'met' if kept else 'MISSED'} ({limit})"


def exponent(small: Figures, large: Figures) -> dict[str, float]:
    """Return, by stage, the power of the number of records with which the seconds grew; `total` is the whole process.

    1 is linear. Stages below a tenth of a second are left out: their figures are noise.
    """
    growth = math.log(large.records / small.records)
    pairs = {"total": (small.seconds, large.seconds)}
    pairs |= {name: (seconds, large.stages[name]) for name, seconds in small.stages.items() if name in large.stages}
    return {name: math.log(b / a) / growth for name, (a, b) in pairs.items() if a >= 0.1 and b >= 0.1}


def ordered_stages(found: Sequence[Figures]) -> list[str]:
    """Return the names of all stages, in order of first occurrence."""
    return list(dict.fromkeys(name for figures in found for name in figures.stages))
