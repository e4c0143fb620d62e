"""Draw the report page of a run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import Executor, Future, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from dataflow.access.lake import bucket_at
from dataflow.access.pipeline import open_published
from dataflow.observe.quality import measure_quality
from dataflow.run.record import RunOutcome
from dataflow.run.session import RunSession
from dataflow.settings import Settings
from lakehouse import LakeUnwritable
from lakehouse.table import DATABASE

if TYPE_CHECKING:
    from dataflow.observe.report_page import LakeDrawings, LakeFacts


@dataclass(frozen=True)
class ReportDraft:
    """The part of the page about the lake."""

    facts: LakeFacts
    drawings: LakeDrawings


@contextmanager
def drafting_report(session: RunSession, beside: Executor) -> Iterator[Future[ReportDraft]]:
    """Draft the page in parallel with the block, from the run's workspace, which the block commits.

    `beside` runs one job at a time. The workspace has been read when the block ends; drawing continues.
    """
    with closing(session.workspace.cursor()) as con:
        facts = beside.submit(_gather, con, session)
        try:
            yield beside.submit(lambda: _draw(facts.result(), session.settings))
        finally:
            wait([facts])


def write_run_report(
    session: RunSession, outcome: RunOutcome, *, draft: Future[ReportDraft] | None = None
) -> RunOutcome:
    """Write the run's HTML page into the reports folder; return the outcome with its path."""
    with session.stage("report"):
        drafted = draft.result() if draft is not None else _draft_committed(session)
        page = _write_page(session.settings, outcome, drafted)
    return replace(outcome, report_page=page, timings=tuple(session.timings))


def _draft_committed(session: RunSession) -> ReportDraft:
    # Released before the sinks: then it is read like any reader.
    opened = session.lake.cursor() if session.holds_lake else open_published(session.settings)
    with closing(opened) as con:
        con.execute(f"USE {DATABASE}")
        return _draft(con, session)


def _draft(con: duckdb.DuckDBPyConnection, session: RunSession) -> ReportDraft:
    return _draw(_gather(con, session), session.settings)


def _draw(facts: LakeFacts, settings: Settings) -> ReportDraft:
    from dataflow.observe.report_page import draw_lake

    return ReportDraft(facts, draw_lake(facts, base_currency=settings.currency.base))


def _gather(con: duckdb.DuckDBPyConnection, session: RunSession) -> LakeFacts:
    # Imported late: drawing imports Altair, which no other part of a run needs.
    from dataflow.observe.report_page import Quality, gather_facts

    measured = measure_quality(con, session.settings)
    quality = None
    if measured is not None:
        figures = measured.as_dict()
        names = [f"{kind}_{figure}" for kind in ("pairwise", "b3") for figure in ("precision", "recall", "f1")]
        quality = Quality(**{name: figures[name] for name in names}, truth=f"sample, {measured.records:,} records")
    return gather_facts(con, session.settings, quality=quality, now=session.run.now, run_id=session.run.run_id)


def _write_page(settings: Settings, outcome: RunOutcome, draft: ReportDraft) -> str:
    """Write the page into the reports folder, or put it into their bucket; return its path or address."""
    from dataflow.observe.report_page import LATEST, RunFacts, write_report

    facts = RunFacts(outcome=outcome, lake=draft.facts, base_currency=settings.currency.base)
    if not settings.reports.startswith("s3://"):
        return str(write_report(facts, draft.drawings, Path(settings.reports)))
    from dataflow.connect.bucket_error import BucketError

    bucket = bucket_at(settings.reports, settings, setting="reports")
    with tempfile.TemporaryDirectory(prefix="dataflow-report-") as scratch:
        page = write_report(facts, draft.drawings, Path(scratch))
        try:
            for name in (page.name, LATEST):
                bucket.upload(page, name)
        except BucketError as error:
            raise LakeUnwritable(
                f"Putting the report into {bucket}: {error}; check that this user may put objects there"
            ) from None
    return f"{bucket}/{page.name}"
