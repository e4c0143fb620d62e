"""The publication: the order of its steps, how it ends, and its report."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext

from dataflow.observe.run_report import ReportDraft, drafting_report, write_run_report
from dataflow.publish import Publication
from dataflow.publish.change_budget import measure_changes, refuse_changes
from dataflow.run.record import RunOutcome
from dataflow.run.session import RunSession
from dataflow.run.stages import STAGES
from dataflow.tables.ops import RunStatus
from flows.engine import Call
from flows.sessions import engine_of
from flows.sinks import feed_sinks
from flows.steps import commit_publication, compute
from lakehouse.plural import counted

PUBLISHING_STEPS = len(STAGES) + 2


def publish_landed(session: RunSession, *, retrain: bool = False, change_budget: float | None = None) -> RunOutcome:
    """Compute, audit and commit one publication of everything landed; then, with the lake closed, feed the sinks.

    `retrain`: identity is resolved again, by models trained on the current records and judgements. `change_budget`:
    refused where a larger share of a published table's rows would change.
    """
    run_id, engine = session.run.run_id, engine_of(session)
    with (
        engine.progress(session.run.kind, steps=PUBLISHING_STEPS) as advance,
        # Draws in parallel with commit and sinks; it has read the lake when the workspace closes.
        ThreadPoolExecutor(1, thread_name_prefix="report") as beside,
    ):
        with session.open_workspace():
            for stage in STAGES:
                parameters = {"run_id": run_id, "stage": stage, "retrain": retrain}
                engine.run(Call("compute", compute, parameters, name=stage, is_retried=False))
                advance()
            if change_budget is not None:
                refuse_changes(measure_changes(session.workspace), budget=change_budget)
            # A run that changes nothing draws no page, which costs more than all of its stages.
            drafting = drafting_report(session, beside) if session.find_changes() else nullcontext()
            with drafting as draft:
                publication = engine.run(Call("commit", commit_publication, {"run_id": run_id}))
                advance()
                message, snapshot = _message(publication), publication.snapshot.id
                outcome = session.conclude(publication.status, message, snapshot_id=snapshot)
        session.release_lake()
        outcome = session.add_sinks(outcome, feed_sinks(session, publication))
        advance()
        return present(session, outcome, draft=draft)


def conclude(session: RunSession, status: RunStatus, message: str) -> RunOutcome:
    """Conclude and record a run that publishes nothing, and present it."""
    return present(session, session.conclude(status, message))


def present(session: RunSession, outcome: RunOutcome, *, draft: Future[ReportDraft] | None = None) -> RunOutcome:
    """Draw and post the run's report; return the outcome with the page's path.

    A run that landed or changed nothing draws no page: the page shows what is published, which has not changed.
    """
    publishes_nothing = outcome.status == "unchanged" or (session.run.kind == "ingest" and outcome.status != "partial")
    session.outcome = outcome if publishes_nothing else write_run_report(session, outcome, draft=draft)
    engine_of(session).post(session.outcome)
    return session.outcome


def report_failure(session: RunSession, error: Exception) -> None:
    """Record a failed run and draw its page; a note on the error names the page."""
    outcome = session.record_failure(error)
    if outcome is None:
        return
    try:
        drawn = write_run_report(session, outcome)
        engine_of(session).post(drawn)
        error.add_note(f"Report: {drawn.report_page}")
    except Exception as second:  # noqa: BLE001 (any error: it must not hide the first one)
        error.add_note(f"Its report could not be drawn ({type(second).__name__}).")


def _message(publication: Publication) -> str:
    """Return the run's message: what changed, as a completed run is not yet a right one."""
    if not publication.is_new:
        return "nothing new since the last publication"
    changed = {name: staged.changed for name, staged in publication.written.items() if staged.changed}
    rows, tables = counted(sum(changed.values()), "row"), counted(len(changed), "table")
    return f"{rows} in {tables} changed, {counted(publication.checks, 'check')} passed"
