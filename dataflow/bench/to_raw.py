"""Land an object to raw in a lake of its own, as a run does: staged, hashed, appended and checked."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from dataflow.access.lake import open_lake
from dataflow.bench.reading import OURS, ReadFigures, Reading, enough, time_count
from dataflow.land import commit_windows, fetch_window
from dataflow.settings import Settings
from dataflow.settings.model import LakeSettings
from dataflow.sources import ObjectState, PlannedWindow, open_source
from dataflow.tables.declared import declared_tables
from dataflow.workspace.staging import Run
from lakehouse import Lake

TO_RAW = f"{OURS}, to raw"


def land(reading: Reading, way: str) -> ReadFigures:
    """Land what a first run would, of a table all rows; the lake is made before the clock starts."""
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-", ignore_cleanup_errors=True) as folder:
        settings = _beside(reading, Path(folder))
        windows = enough(open_source(settings, reading.source).plan(reading.object, ObjectState()))
        tables = [one for one in declared_tables(settings).values() if one.schema in ("raw", "ops")]
        with open_lake(settings, purpose="bench") as lake:
            lake.ensure(tables)
            return time_count(reading, partial(_land, lake, settings, windows), way)


def _land(lake: Lake, settings: Settings, windows: list[PlannedWindow]) -> tuple[int, int]:
    run = Run(f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z-bench", "bench", datetime.now(UTC))
    fetched = [fetch_window(window, settings, run) for window in windows]
    reports = commit_windows(lake, fetched, run)
    return sum(report.rows_out for report in reports), sum(window.size_bytes for window in windows)


def _beside(reading: Reading, home: Path) -> Settings:
    lake = LakeSettings(
        catalogue=str(home / "catalogue.ducklake"), data=str(home / "data"), published=str(home / "published")
    )
    return Settings(
        home=home,
        lake=lake,
        landing=str(home / "landing"),
        runs=str(home / "runs"),
        sources={reading.source: reading.declared},
    )
