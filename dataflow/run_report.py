"""Draw the report page of a run that has ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dataflow.quality import measure_quality
from dataflow.runs import RunOutcome
from dataflow.session import RunSession
from dataflow.settings import Settings
from lakehouse import Lake


def write_run_report(session: RunSession, outcome: RunOutcome) -> RunOutcome:
    """Write the run's HTML page into the reports folder; returns the outcome with its path."""
    with session.stage("report"):
        page = _write_page(session.lake, session.settings, outcome)
    return replace(outcome, report_page=page, timings=tuple(session.timings))


def _write_page(lake: Lake, settings: Settings, outcome: RunOutcome) -> Path:
    # Loaded late: drawing brings Altair, which no other part of a run needs.
    from dataflow.report_page import Outcome, Quality, gather_facts, write_report

    con = lake.cursor()
    try:
        measured = measure_quality(con, settings)
        told = Outcome(
            run_id=outcome.run_id,
            kind=outcome.kind,
            status=outcome.status,
            message=outcome.message,
            started_at=outcome.started_at,
            finished_at=outcome.finished_at,
            snapshot_id=outcome.snapshot_id,
            base_currency=settings.currency.base,
            seconds=outcome.seconds,
        )
        quality = None
        if measured is not None:
            figures = measured.as_dict()
            names = [f"{kind}_{figure}" for kind in ("pairwise", "b3") for figure in ("precision", "recall", "f1")]
            quality = Quality(**{name: figures[name] for name in names}, truth=f"sample, {measured.records:,} records")
        facts = gather_facts(con, told, steps=outcome.reports, quality=quality)
        return write_report(facts, Path(settings.reports))
    finally:
        con.close()
