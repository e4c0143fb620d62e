"""The run's own folder and id, its row in `ops.run`, and what it hands back."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import duckdb
import psutil

from dataflow.workspace.report import StepReport
from dataflow.workspace.staging import Run
from lakehouse import Lake, LakeUnwritable
from lakehouse.table import literal, timestamp_literal

_OWNER = "owner.json"
# Where machines share a disk, as workers of a pool do: what one of them left behind goes after so long.
_LONGEST_RUN_SECONDS = 7 * 24 * 3600.0


RunStatus = Literal["published", "unchanged", "landed", "complete", "partial", "refused", "failed"]
"""How a run ended. `partial`, whatever it published or landed: something could not be had whole."""


@dataclass(frozen=True)
class StageTiming:
    """What a whole stage cost: wall seconds and the peak of resident memory."""

    stage: str
    seconds: float
    peak_rss_bytes: int


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """How a run ended; one that failed raises as well."""

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
    report_page: Path | None = None
    orchestration_seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The outcome as JSON types."""
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
            "report_page": str(self.report_page) if self.report_page else None,
            "stages": [asdict(timing) for timing in self.timings],
            "steps": [report.as_dict() for report in self.reports],
        }


def name_run(kind: str, started_at: datetime) -> str:
    """Make a run id that sorts by the time the run started and can stand in a file name."""
    return f"{started_at.astimezone(UTC):%Y%m%dT%H%M%S%fZ}-{kind}"


@contextmanager
def claim_folder(runs: Path, run_id: str) -> Iterator[Path]:
    """Make the run's folder, note which process owns it, and remove it at the end. Raises: LakeUnwritable."""
    folder = runs / run_id
    me = psutil.Process()
    try:
        folder.mkdir(parents=True)
        owner = {"host": socket.gethostname(), "pid": me.pid, "created": me.create_time()}
        (folder / _OWNER).write_text(json.dumps(owner), encoding="utf-8")
    except OSError as error:
        raise LakeUnwritable(
            f"Starting run {run_id}: cannot write its folder {folder} ({error.strerror}); "
            "free space on that disk or give write access, then run again"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_folders_of_the_dead(runs: Path) -> int:
    """Remove folders of runs whose process is gone; returns how many. What was committed is in the lake."""
    cleared = 0
    for folder in runs.glob("*/"):
        if not _owner_lives(folder):
            shutil.rmtree(folder, ignore_errors=True)
            cleared += 1
    return cleared


def _owner_lives(folder: Path) -> bool:
    try:
        owner = folder / _OWNER
        told = json.loads(owner.read_text(encoding="utf-8"))
        if told.get("host", socket.gethostname()) != socket.gethostname():
            # Its processes are not seen from here.
            return time.time() - owner.stat().st_mtime < _LONGEST_RUN_SECONDS
        # A process number is used again: the time of its start tells them apart.
        return bool(abs(psutil.Process(int(told["pid"])).create_time() - float(told["created"])) < 1)
    except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
        return False


def record_run(
    lake: Lake,
    run: Run,
    *,
    status: str,
    message: str,
    started_at: datetime,
    finished_at: datetime,
    raw_snapshot_id: int | None,
    reports: Sequence[StepReport],
) -> int:
    """Put a run on record in `ops.run`, in a small transaction; returns the snapshot.

    A run that its own commit has put on record already stays what it is; the message is added to its own.
    """
    texts = (run.run_id, run.kind, status, json.dumps([report.as_dict() for report in reports]), message)
    run_id, kind, ended, steps, words = (literal(text) for text in texts)
    times = ", ".join(timestamp_literal(at) for at in (started_at, finished_at))
    upto = "NULL" if raw_snapshot_id is None else str(raw_snapshot_id)
    of_run = f"run_id = {run_id}"
    # Literals: bound parameters make duckdb import pandas, half a second for one row.
    statement = f"""
        INSERT INTO lake.ops.run
            (run_id, kind, status, started_at, finished_at, raw_snapshot_id, steps, message)
        VALUES ({run_id}, {kind}, {ended}, {times}, {upto}, {steps}, {words})
    """

    added = literal(f"; then {status}: {message}")
    amendment = f"UPDATE lake.ops.run SET message = message || {added} WHERE {of_run}"

    def insert(con: duckdb.DuckDBPyConnection) -> None:
        is_known = con.execute(f"SELECT 1 FROM lake.ops.run WHERE {of_run}").fetchone()
        con.execute(amendment if is_known else statement)

    return lake.transact(insert, author="dataflow", run_id=run.run_id, message=f"{run.kind}: {status}")[1].id


def totals_by_stage(reports: Iterable[StepReport]) -> list[dict[str, Any]]:
    """Add the reports of each stage up, in the order of the journey."""
    totals: dict[str, dict[str, Any]] = {}
    for report in reports:
        row = totals.setdefault(
            report.stage,
            {"stage": report.stage, "rows_in": 0, "rows_out": 0, "set_aside": 0, "merged": 0, "changed": 0},
        )
        for name in ("rows_in", "rows_out", "set_aside", "merged", "changed"):
            row[name] += getattr(report, name)
    return list(totals.values())
