"""The outcome of a run, and its row in `ops.run`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from dataflow.access.log.anchors import with_heads, write_anchors
from dataflow.tables.ops import RunStatus
from dataflow.workspace.cost import Cost, write_costs
from dataflow.workspace.incident_events import IncidentEvent, write_incident_events
from dataflow.workspace.position import Positions, move_positions
from dataflow.workspace.report import StepReport
from dataflow.workspace.run_row import CrashedRun, RunRow, write_run
from lakehouse import Lake


@dataclass(frozen=True)
class StageTiming:
    """Wall seconds of a stage, and its peak of resident memory."""

    stage: str
    seconds: float
    peak_rss_bytes: int


@dataclass(frozen=True)
class StageTotals:
    """Rows and cost of a stage, over all of its executions in a run: a backfill lands several times."""

    stage: str
    rows_in: int
    rows_out: int
    set_aside: int
    merged: int
    changed: int
    seconds: float
    peak_rss_bytes: int


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """How a run ended; a failed one raises as well. `heads` are those of the access log that the run anchored."""

    run_id: str
    kind: str
    status: RunStatus
    message: str
    started_at: datetime
    finished_at: datetime
    seconds: float
    peak_rss_bytes: int
    snapshot_id: int | None
    reports: tuple[StepReport, ...]
    timings: tuple[StageTiming, ...]
    heads: tuple[str, ...] = ()
    report_page: str | None = None
    orchestration_seconds: float = 0.0

    def totals_by_stage(self) -> list[StageTotals]:
        """Sum the reports and costs of each stage, in the order in which the stages first ran."""
        stages = dict.fromkeys(report.stage for report in self.reports)
        return [
            _totals(
                stage,
                [report for report in self.reports if report.stage == stage],
                [timing for timing in self.timings if timing.stage == stage],
            )
            for stage in stages
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome in JSON types."""
        return {
            "run_id": self.run_id,
            "kind": self.kind,
            "status": self.status,
            "message": self.message,
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat(),
            "seconds": round(self.seconds, 3),
            "peak_rss_bytes": self.peak_rss_bytes,
            "orchestration_seconds": round(self.orchestration_seconds, 3),
            "snapshot_id": self.snapshot_id,
            "access_log_heads": list(self.heads),
            "report_page": self.report_page,
            "stages": [asdict(timing) for timing in self.timings],
            "steps": [report.as_dict() for report in self.reports],
        }


def record_run(
    lake: Lake,
    row: RunRow,
    *,
    crashed: Sequence[CrashedRun] = (),
    positions: Positions | None = None,
    heads: Sequence[str] = (),
    incidents: Sequence[IncidentEvent] = (),
) -> int:
    """Write a run to `ops.run`, its positions, heads of the access log and events of incidents, in one transaction.

    Returns the snapshot.
    """

    def write(con: duckdb.DuckDBPyConnection) -> None:
        write_run(con, row, crashed=crashed)
        write_anchors(con, heads, run_id=row.run_id, at=row.finished_at)
        write_incident_events(con, incidents, run_id=row.run_id)
        move_positions(con, positions or {}, run_id=row.run_id, moved_at=row.finished_at)

    message = with_heads(f"{row.kind}: {row.status}", heads)
    return lake.transact(write, author="dataflow", run_id=row.run_id, message=message)[1].id


def record_costs(lake: Lake, costs: Sequence[Cost], *, run_id: str, started_at: datetime) -> None:
    """Write what a run has used of services that bill by use to `ops.cost`."""

    def write(con: duckdb.DuckDBPyConnection) -> None:
        write_costs(con, costs, run_id=run_id, started_at=started_at, ended_at=datetime.now(UTC))

    lake.transact(write, author="dataflow", run_id=run_id, message="cost of sinks")


def _totals(stage: str, reports: Sequence[StepReport], timings: Sequence[StageTiming]) -> StageTotals:
    return StageTotals(
        stage,
        rows_in=sum(report.rows_in for report in reports),
        rows_out=sum(report.rows_out for report in reports),
        set_aside=sum(report.set_aside for report in reports),
        merged=sum(report.merged for report in reports),
        changed=sum(report.changed for report in reports),
        seconds=sum(timing.seconds for timing in timings),
        peak_rss_bytes=max((timing.peak_rss_bytes for timing in timings), default=0),
    )
