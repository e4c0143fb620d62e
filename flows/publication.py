"""The order of a run's tasks: the one place where the pipeline is composed."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from dataflow.observe.run_report import ReportDraft, drafting_report, write_run_report
from dataflow.publish import Publication
from dataflow.run.record import RunOutcome
from dataflow.run.session import RunSession
from dataflow.run.stages import STAGES
from dataflow.tables.ops import RunStatus
from flows.artifacts import post_report, progress_artifact
from flows.retry import with_retries
from flows.sinks import feed_sinks
from flows.tasks import commit_publication, compute

PUBLISHING_STEPS = len(STAGES) + 2


def publish_landed(session: RunSession, *, retrain: bool = False) -> RunOutcome:
    """Compute, audit and commit one publication of everything landed; then, with the lake closed, feed the sinks.

    `retrain`: who is who is worked out anew, by models trained on the records and the stewards' words of today.
    """
    run_id = session.run.run_id
    with (
        progress_artifact(session.run.kind, steps=PUBLISHING_STEPS) as advance,
        # It draws beside the commit and the sinks; what it needs of the lake it has read when the workspace closes.
        ThreadPoolExecutor(1, thread_name_prefix="report") as beside,
    ):
        with session.open_workspace():
            for stage in STAGES:
                compute(run_id, stage, retrain)
                advance()
            with drafting_report(session, beside) as draft:
                publication = with_retries(commit_publication, session.settings)(run_id)
                advance()
                words, snapshot = _words(publication), publication.snapshot.id
                outcome = session.conclude(publication.status, words, snapshot_id=snapshot)
        session.release_lake()
        outcome = session.add_sinks(outcome, feed_sinks(session, publication))
        advance()
        return present(session, outcome, draft=draft)


def conclude(session: RunSession, status: RunStatus, message: str) -> RunOutcome:
    """Put the end of a run that publishes nothing on record, and present it."""
    return present(session, session.conclude(status, message))


def present(session: RunSession, outcome: RunOutcome, *, draft: Future[ReportDraft] | None = None) -> RunOutcome:
    """Draw the run's report and post it; the outcome gets the page's path.

    A run that only landed draws no page: the page is of what is published, and that stands as it was drawn last.
    """
    publishes_nothing = session.run.kind == "ingest" and outcome.status != "partial"
    session.outcome = outcome if publishes_nothing else write_run_report(session, outcome, draft=draft)
    post_report(session.outcome)
    return session.outcome


def report_failure(session: RunSession, error: Exception) -> None:
    """Put a run that did not come to its end on record, and draw its page; the error says where that is."""
    outcome = session.record_failure(error)
    if outcome is None:
        return
    try:
        drawn = write_run_report(session, outcome)
        post_report(drawn)
        error.add_note(f"Report: {drawn.report_page}")
    except Exception as second:  # noqa: BLE001 (whatever it is, it must not hide the reason of the failure)
        error.add_note(f"Its report could not be drawn ({type(second).__name__}).")


def _words(publication: Publication) -> str:
    """The run's message: what changed, since "it completed" is not "it is right"."""
    if not publication.is_new:
        return "nothing new: nothing was published"
    changed = {name: staged.changed for name, staged in publication.written.items() if staged.changed}
    return f"{sum(changed.values()):,} rows in {len(changed)} tables changed, {publication.checks} checks passed"
