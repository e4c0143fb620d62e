"""The steps of a run: plain functions that carry the run id and no rows; an engine executes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from dataflow.land import (
    Checked,
    FetchedWindow,
    LandingPlan,
    PlanFindings,
    Staged,
    check_object,
    commit_what_holds,
    delete_missing,
    plan_landing,
    stage_windows,
)
from dataflow.land.plan import TimeRange
from dataflow.publish import Publication
from dataflow.run.session import RunSession, Step
from dataflow.run.stages import stage_function
from dataflow.sinks import SINKS, follow_sink
from dataflow.sources.protocol import PlannedWindow, Window
from dataflow.workspace.report import StepReport
from flows.engine import require_pools
from flows.retry import Incomplete
from flows.sessions import engine_of, session_of_run


def plan(
    run_id: str, source: str | None, object_name: str | None, ranges: Sequence[TimeRange], skip_landed: bool
) -> LandingPlan:
    """Plan the windows to land. Raises: Incomplete when an object could not be planned."""
    session = session_of_run(run_id)
    with session.stage("plan"):
        planned = plan_landing(
            session.lake,
            session.settings,
            source=source,
            object=object_name,
            ranges=ranges,
            skip_landed=skip_landed,
        )
    if planned.failures:
        raise Incomplete(planned, [failure.error for failure in planned.failures])
    return planned


def fetch(run_id: str, windows: Sequence[PlannedWindow]) -> Staged:
    """Read windows of one object into the landing area; a retry reads those that failed. Raises: Incomplete."""
    session = session_of_run(run_id)
    return unless_incomplete(stage_windows(windows, session.settings, session.run))


def unless_incomplete(staged: Staged) -> Staged:
    """Return what was staged. Raises: Incomplete when a window failed."""
    if staged.failures:
        raise Incomplete(staged, [failure.error for failure in staged.failures])
    return staged


def land(run_id: str, fetched: Sequence[FetchedWindow], findings: PlanFindings) -> int:
    """Add fetched windows to raw in one lake transaction, and record the failed ones; return the number of new rows."""
    session = session_of_run(run_id)
    with session.one_at_a_time("land"):
        reports = session.step("land", lambda: commit_what_holds(session.lake, fetched, session.run, findings=findings))
    return sum(report.rows_out for report in reports)


def check(run_id: str, name: tuple[str, str], since: datetime | None, until: datetime | None) -> Checked:
    """Compare raw with one object at its source; write nothing."""
    session = session_of_run(run_id)
    with session.stage("check"):
        return check_object(session.lake, session.settings, name, session.run, since=since, until=until)


def delete_gone(run_id: str, name: tuple[str, str], within: Sequence[Window]) -> int:
    """Find the records of one object that were deleted at its source, add the deletions to raw; return their number.

    `within` limits it to records last changed in these windows; none: all records.
    """
    session = session_of_run(run_id)
    with session.one_at_a_time("land"):
        work = partial(delete_missing, session.lake, session.settings, name, session.run, within=within)
        return sum(report.inserted for report in session.step("keys", work))


def compute(run_id: str, stage: str, retrain: bool = False) -> int:
    """Run one stage in the run's workspace; return the number of rows it changes. `retrain` trains new models."""
    session = session_of_run(run_id)
    work = _resolving(session, retrain=retrain) if stage == "resolve" else _work_of(stage, session)
    reports = session.step(stage, work)
    return sum(report.changed for report in reports)


def _resolving(session: RunSession, *, retrain: bool) -> Step:
    # Imported here: they import Splink, which reading commands do not need.
    from dataflow.resolve.step import resolve

    run_chunks = None
    if deployment := session.settings.resolve.deployment:
        require_pools(engine_of(session), deployment, setting="resolve.deployment")
        from flows.scoring import scoring_in_pool

        run_chunks = scoring_in_pool(deployment, session.settings)
    return lambda: resolve(session.workspace, session.settings, run_chunks=run_chunks, retrain=retrain)


def _work_of(stage: str, session: RunSession) -> Step:
    step = stage_function(stage)
    return lambda: step(session.workspace, session.settings)


def commit_publication(run_id: str) -> Publication:
    """Write, audit and commit everything staged, in one lake transaction."""
    session = session_of_run(run_id)
    with session.stage("commit"):
        return session.commit()


def feed_sink(run_id: str, name: str, publication: Publication) -> StepReport:
    """Update one sink to the publication; the lake is closed by then."""
    return follow_sink(SINKS.find(name), session_of_run(run_id).settings, publication)
