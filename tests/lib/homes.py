"""Small samples and what a lake holds, for tests that run the whole pipeline."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dataflow.access.modes import private_files
from dataflow.access.pipeline import open_published
from dataflow.observe.status import read_status
from dataflow.sample import SampleSpec, generate
from dataflow.settings import Settings, load_settings
from dataflow.tables.declared import declared_tables
from lakehouse.table import column_list

RECORDS = 600
SECOND_DAY = "2026-01-02"
NOW = "2026-01-03T00:00:00Z"
LATER = "2026-01-04T00:00:00Z"


def make_sample(home: Path, *, days: int = 1, records: int = RECORDS) -> None:
    """Write a small sample into a home, for this user alone as `dataflow sample` does."""
    with private_files():
        generate(SampleSpec(days=days, records_per_day=records), home / "sample")


def lake_state(settings: Settings) -> dict[str, str]:
    """Count and hash every table but runs and positions, the columns that tell when and by which run left out."""
    con = open_published(settings)
    try:
        state = {}
        for name, table in declared_tables(settings).items():
            # A position is the number of a snapshot, and a run that was killed has committed some; it is an incident.
            # The parts of a change follow from how many publications made it.
            # An event of a dead letter is of the run that changed its state.
            left_out_tables = ("run", "position", "incident_event", "kpi_bridge", "dead_letter_event", "baseline")
            if table.schema == "ops" and table.name in left_out_tables:
                continue
            # An event's id names the run that saw it.
            left_out = {"event_id"}
            names = [column.name for column in table.columns if not column.volatile and column.name not in left_out]
            columns = column_list(names)
            row = con.execute(
                f"SELECT count(*), sum(md5_number_lower(row({columns})::VARCHAR)::HUGEINT) FROM {table.sql_name}"
            ).fetchone()
            assert row is not None
            state[name] = f"{row[0]} rows, {row[1]}"
        return state
    finally:
        con.close()


def newest_snapshot(settings: Settings) -> int:
    """The snapshot that readers see: the same number means that nothing at all was committed."""
    con = open_published(settings)
    try:
        row = con.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchone()
        assert row is not None
        return int(row[0])
    finally:
        con.close()


def published_hash(home: Path) -> str:
    """The hash of what readers see."""
    from dataflow.publish import content_hash

    con = open_published(load_settings(home=home))
    try:
        return content_hash(con)
    finally:
        con.close()


def open_gaps(settings: Settings) -> list[dict[str, Any]]:
    """The open gaps, as `dataflow status` shows them."""
    with open_published(settings) as con:
        return read_status(con, settings=settings, now=datetime.now(UTC))["gaps"]


def start_dataflow(home: Path, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start `dataflow` in a process of its own; its words are thrown away."""
    return subprocess.Popen(
        [sys.executable, "-m", "dataflow.cli", "--home", str(home), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )
