"""Write the row of a run to `ops.run` with the run's last commit, and the rows of runs that crashed before it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from dataflow.tables.ops import RUN, RunStatus
from dataflow.workspace.report import StepReport
from lakehouse.table import column_list, literal, timestamp_literal

CRASHED: RunStatus = "crashed"


@dataclass(frozen=True)
class RunRow:
    """A finished run."""

    run_id: str
    kind: str
    status: RunStatus
    message: str
    started_at: datetime
    finished_at: datetime
    reports: Sequence[StepReport] = ()


@dataclass(frozen=True)
class CrashedRun:
    """A run whose process ended before its end was recorded. `last_seen_at` is when it last wrote to its folder."""

    run_id: str
    kind: str
    started_at: datetime
    last_seen_at: datetime
    owner: str

    @property
    def message(self) -> str:
        """Return what is known of the crash, and what happens to its work."""
        return (
            f"{self.owner} is no longer running, last seen {self.last_seen_at:%Y-%m-%d %H:%M:%S} UTC; "
            "its commits stay, and the next run continues from them"
        )


def write_run(con: duckdb.DuckDBPyConnection, row: RunRow, *, crashed: Sequence[CrashedRun] = ()) -> None:
    """Record a run inside the caller's transaction, and with it the runs that crashed before it.

    A run already recorded by its own commit keeps its row; status and message are appended to the row's message. A
    crashed run is recorded once, however often this is called.
    """
    for each in crashed:
        _write_crashed(con, each)
    if _recorded(con, row.run_id) is not None:
        _amend(con, row.run_id, f"; then {row.status}: {row.message}")
    else:
        _insert(con, row)


def _write_crashed(con: duckdb.DuckDBPyConnection, run: CrashedRun) -> None:
    found = _recorded(con, run.run_id)
    if found is None:
        _insert(con, RunRow(run.run_id, run.kind, CRASHED, run.message, run.started_at, run.last_seen_at))
    elif note := crash_note(run, *found):
        _amend(con, run.run_id, note)


def crash_note(run: CrashedRun, status: str, message: str) -> str:
    """Return what to append to the message of a run that recorded itself and crashed later, while feeding sinks."""
    mark = f"; then {CRASHED}: "
    return "" if status == CRASHED or mark in message else f"{mark}{run.message}"


def _recorded(con: duckdb.DuckDBPyConnection, run_id: str) -> tuple[str, str] | None:
    """Return status and message of the run's row."""
    row = con.execute(f"SELECT status, message FROM {RUN.in_lake} WHERE run_id = {literal(run_id)}").fetchone()
    return None if row is None else (str(row[0]), str(row[1]))


def _amend(con: duckdb.DuckDBPyConnection, run_id: str, added: str) -> None:
    con.execute(f"UPDATE {RUN.in_lake} SET message = message || {literal(added)} WHERE run_id = {literal(run_id)}")


def _insert(con: duckdb.DuckDBPyConnection, row: RunRow) -> None:
    # Literals: bound parameters make DuckDB import pandas, half a second for one row.
    values = {
        "run_id": literal(row.run_id),
        "kind": literal(row.kind),
        "status": literal(row.status),
        "started_at": timestamp_literal(row.started_at),
        "finished_at": timestamp_literal(row.finished_at),
        "steps": literal(json.dumps([report.as_dict() for report in row.reports], default=str)),
        "message": literal(row.message),
    }
    con.execute(f"INSERT INTO {RUN.in_lake} ({column_list(values)}) VALUES ({', '.join(values.values())})")
