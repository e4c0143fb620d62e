"""Report what a step did: row counts that must add up, changes, time, memory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import psutil

from dataflow.errors import ConservationError

GAP_FACT = "gap"
"""Fact of a report: why raw is incomplete for the subject; it makes the run partial."""

BEHIND_FACT = "behind"
"""Fact of a sink's report: why the sink did not take the publication; it makes the run partial."""

DRIFT_FACT = "drift"
"""Fact of a report: how the fields of an object differ from the declared ones."""

NOTES_FACT = "notes"
"""Fact of a report: messages to the user about findings that are not failures."""


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """Rows through one step for one subject (an object or a table).

    `rows_in = rows_out + set_aside + merged`; otherwise ConservationError is raised. `merged` are rows that another row
    of the same step replaces: older versions, exact repeats, records folded into one customer.
    """

    stage: str
    subject: str
    rows_in: int
    rows_out: int
    set_aside: int = 0
    merged: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    seconds: float = 0.0
    peak_rss_bytes: int = 0
    watermark: datetime | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rows_in != self.rows_out + self.set_aside + self.merged:
            raise ConservationError(
                f"{self.stage} of {self.subject}: {self.rows_in} rows in, but {self.rows_out} out "
                f"+ {self.set_aside} set aside + {self.merged} merged = "
                f"{self.rows_out + self.set_aside + self.merged}.",
                next_move="Nothing was published; this is a defect of the step.",
            )

    @property
    def changed(self) -> int:
        """Rows of the target table that the step inserts, updates or deletes."""
        return self.inserted + self.updated + self.deleted

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON types."""
        plain = asdict(self)
        plain["watermark"] = self.watermark.isoformat() if self.watermark else None
        return plain


def list_gaps(reports: Iterable[StepReport]) -> dict[str, str]:
    """Return the reason for each incomplete subject; a run with any is partial, whatever its status otherwise."""
    return {report.subject: str(report.facts[GAP_FACT]) for report in reports if GAP_FACT in report.facts}


def list_behind(reports: Iterable[StepReport]) -> dict[str, str]:
    """Return the sinks that did not take the publication, each with the reason."""
    return {report.subject: str(report.facts[BEHIND_FACT]) for report in reports if BEHIND_FACT in report.facts}


def list_drift(reports: Iterable[StepReport]) -> dict[str, str]:
    """Return how the fields of each object differ from its declaration; equal findings of its windows count once."""
    found: dict[str, list[str]] = {}
    for report in reports:
        if drift := report.facts.get(DRIFT_FACT):
            # The subject of a landing is its window.
            drifts = found.setdefault(report.subject.partition(" ")[0], [])
            drifts += [str(drift)] if str(drift) not in drifts else []
    return {name: "; ".join(drifts) for name, drifts in found.items()}


def list_notes(reports: Iterable[StepReport]) -> list[str]:
    """Return the notes of all steps, in order."""
    return [str(note) for report in reports for note in report.facts.get(NOTES_FACT, ())]


def notes_fact(notes: Sequence[str]) -> dict[str, Any]:
    """Return the fact of a report that holds the notes; nothing where there are none."""
    return {NOTES_FACT: list(notes)} if notes else {}


def condensed(reports: Iterable[StepReport]) -> list[StepReport]:
    """Return the reports with the windows of an object's landing as one, where it has many; the slowest is named."""
    found: dict[str, list[StepReport]] = {}
    for report in reports:
        key = f"{report.stage} {report.subject.partition(' ')[0]}" if report.stage == "land" else f"{id(report)}"
        found.setdefault(key, []).append(report)
    return [one for group in found.values() for one in (group if len(group) <= _MANY_WINDOWS else [_summed(group)])]


_MANY_WINDOWS = 20


def _summed(windows: Sequence[StepReport]) -> StepReport:
    name = windows[0].subject.partition(" ")[0]
    slowest = max(windows, key=lambda one: one.seconds)
    label = slowest.subject.partition(" ")[2]
    sums = {
        figure: sum(getattr(one, figure) for one in windows)
        for figure in ("rows_in", "rows_out", "set_aside", "merged", "inserted", "updated", "deleted", "seconds")
    }
    return StepReport(
        stage=windows[0].stage,
        subject=f"{name}: {len(windows):,} windows, the slowest {label} ({slowest.seconds:.1f} s)",
        peak_rss_bytes=max(one.peak_rss_bytes for one in windows),
        **sums,
    )


def gap_message(subjects: Iterable[str]) -> str:
    """Return the part of a partial run's message that names the incomplete subjects."""
    first, rest = list(subjects)[:3], list(subjects)[3:]
    return f"incomplete: {', '.join(first)}" + (f" and {len(rest)} more" if rest else "")


class Stopwatch:
    """Seconds since its creation."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started


@contextmanager
def measured() -> Iterator[Stopwatch]:
    """Time a block: `with measured() as watch: …; StepReport(seconds=watch.seconds)`."""
    yield Stopwatch()


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes."""
    return int(psutil.Process().memory_info().rss)
