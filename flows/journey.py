"""The order of a run's tasks: the one place where the pipeline is composed."""

from __future__ import annotations

from concurrent.futures import Future

from dataflow.observe.run_report import ReportDraft, drafting_report, write_run_report
from dataflow.publish import Publication
from dataflow.run.record import RunOutcome
from dataflow.run.session import RunSession
from dataflow.run.stages import STAGES
from dataflow.tables.ops import RunStatus
from flows.artifacts import post_report, progress_artifact
from flows.retry import with_retries
from flows.tasks import commit_publication, compute, feed_warehouse

PUBLISHING_STEPS = len(STAGES) + 2


def publish_landed(session: RunSession, *, retrain: bool = False) -> RunOutcome:
    """Compute, audit and commit one publication of everything landed, then feed the sinks.

    `retrain`: who is who is worked out anew, by models trained on the records and the stewards' words of today.
    """
    run_id = session.run.run_id
    with session.open_workspace(), progress_artifact(session.run.kind, steps=PUBLISHING_STEPS) as advance:
        for stage in STAGES:
            compute(run_id, stage, retrain)
            advance()
        with drafting_report(session) as draft:
            publication = with_retries(commit_publication, session.settings)(run_id)
            advance()
            # Also when nothing was published: a run killed between its commit and here left the sink behind.
            with_retries(feed_warehouse, session.settings)(run_id, publication)
            advance()
            words, snapshot = _words(publication), publication.snapshot.id
            return conclude(session, publication.status, words, snapshot_id=snapshot, draft=draft)


def conclude(
    session: RunSession,
    status: RunStatus,
    message: str,
    *,
    snapshot_id: int | None = None,
    draft: Future[ReportDraft] | None = None,
) -> RunOutcome:
    """Put the end of the run on record, draw its report and post it.

    A run that only landed draws no page: the page is of what is published, and that stands as it was drawn last.
    """
    outcome = session.conclude(status, message, snapshot_id=snapshot_id)
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
