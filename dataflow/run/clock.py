"""Compare a run's clock with that of the last run and of the sources: one wrong clock dates all that a run computes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from dataflow.sources import PlannedWindow
from dataflow.tables.ops import POSITION
from dataflow.workspace.report import NOTES_FACT, StepReport
from lakehouse import LakeView

_SET_BACK = timedelta(minutes=1)
"""Machines that share a lake can differ by this much."""
_FAR = timedelta(minutes=15)


def compare_with_last_run(lake: LakeView, now: datetime) -> list[StepReport]:
    """Report a run whose clock is before that of the last run that published or found nothing to publish."""
    # The positions moved last: those of an object that is held back or not declared any more stay from earlier runs.
    [(last,)] = lake.con.execute(f"""
        SELECT max(moved_at) FROM {POSITION.in_lake}
        WHERE raw_snapshot_id = (SELECT max(raw_snapshot_id) FROM {POSITION.in_lake})
    """).fetchall()
    if last is None or now >= last - _SET_BACK:
        return []
    return [
        _report(
            f"this run's clock is {_distance(last - now)} before that of the last run ({now:%Y-%m-%d %H:%M} and "
            f"{last:%Y-%m-%d %H:%M} UTC): one of them was wrong. Where it was the last run's, this run computes anew "
            "what was obtained later than now; else set this machine's clock, or correct --now"
        )
    ]


def compare_with_sources(windows: Iterable[PlannedWindow], clock: datetime) -> list[StepReport]:
    """Report the sources whose own clock, when they were planned, is far from the run's `clock` at that time."""
    clocks = {planned.source: planned.asked_at for planned in windows if planned.asked_at is not None}
    return [
        _report(
            f"this run's clock is {_distance(abs(asked_at - clock))} {'behind' if asked_at > clock else 'ahead of'} "
            f"that of the source {name}: lifecycle, history and expiry follow the run's. Set this machine's clock, or "
            "correct --now, and run again"
        )
        for name, asked_at in sorted(clocks.items())
        if abs(asked_at - clock) > _FAR
    ]


def _report(note: str) -> StepReport:
    return StepReport(stage="plan", subject="clock", rows_in=0, rows_out=0, facts={NOTES_FACT: [note]})


def _distance(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    if hours < 2:
        return f"{hours * 60:.0f} minutes"
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:,.0f} days"
