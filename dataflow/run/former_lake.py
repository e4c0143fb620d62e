"""Notice a lake that is gone: the warehouse still shows its publication, and a run would make a new lake."""

from __future__ import annotations

from pathlib import Path

from dataflow.access.lake import lake_location
from dataflow.settings import Settings
from dataflow.workspace.report import NOTES_FACT, StepReport
from lakehouse.damage import is_nowhere


def former_lake(settings: Settings) -> str:
    """Return what is left of a local lake that is gone; empty where there is a lake, or never was one."""
    location = lake_location(settings)
    if settings.warehouse.kind != "duckdb" or not settings.warehouse.path or not is_nowhere(location):
        return ""
    from dataflow.sinks.warehouse import warehouse_snapshot

    shown = warehouse_snapshot(Path(settings.warehouse.path))
    if shown is None:
        return ""
    return (
        f"the warehouse {settings.warehouse.path} shows publication {shown} of a lake that is no longer at "
        f"{location.catalogue}"
    )


def report_new_lake(former: str) -> StepReport:
    """Return the report of a run that makes a lake in place of one that is gone."""
    note = (
        f"This run made a new lake, although {former}: it gives new customer ids, and has neither judgements nor "
        "history. If that is wrong, put the former lake back from a backup."
    )
    return StepReport(stage="lake", subject="lake", rows_in=0, rows_out=0, facts={NOTES_FACT: [note]})
