"""The steps of a run as Prefect tasks: one coarse task per stage, which carries the run id and no rows.

Results stay in memory: a result kept from another run would be a stale answer, and may hold customer data.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from dataflow.defects import telling_defects
from dataflow.land import FetchedWindow, commit_windows, fetch_window, plan_windows
from dataflow.publish import Publication, commit, sink_warehouse
from dataflow.sources.protocol import PlannedWindow
from dataflow.stages import stage_function
from flows.live import live_session


@task(name="plan", cache_policy=NO_CACHE, persist_result=False)
def plan(
    run_id: str, source: str | None, object_name: str | None, since: datetime | None, until: datetime | None
) -> list[PlannedWindow]:
    """List the windows that hold something new."""
    session = live_session(run_id)
    with session.stage("plan"):
        return plan_windows(session.lake, session.settings, source=source, object=object_name, since=since, until=until)


@task(name="fetch", cache_policy=NO_CACHE, persist_result=False)
def fetch(run_id: str, windows: Sequence[PlannedWindow]) -> list[FetchedWindow]:
    """Read the windows of one object into the landing area; nothing touches the lake."""
    session = live_session(run_id)
    with telling_defects("fetch"):
        return [fetch_window(window, session.settings, session.run) for window in windows]


@task(name="land", cache_policy=NO_CACHE, persist_result=False)
def land(run_id: str, fetched: Sequence[FetchedWindow]) -> int:
    """Add fetched windows to raw in one lake transaction; returns the rows that were new."""
    session = live_session(run_id)
    with session.one_at_a_time("land"):
        reports = session.step("land", lambda: commit_windows(session.lake, fetched, session.run))
    return sum(report.rows_out for report in reports)


@task(name="compute", task_run_name="{stage}", cache_policy=NO_CACHE, persist_result=False)
def compute(run_id: str, stage: str) -> int:
    """Run one stage in the run's workspace; returns the rows it changes."""
    session = live_session(run_id)
    step = stage_function(stage)
    reports = session.step(stage, lambda: step(session.workspace, session.settings))
    return sum(report.changed for report in reports)


@task(name="commit", cache_policy=NO_CACHE, persist_result=False)
def commit_publication(run_id: str) -> Publication:
    """Write, audit and commit everything staged, in one lake transaction."""
    session = live_session(run_id)
    with session.stage("commit"):
        publication = commit(session.workspace, session.settings, session.reports)
    if publication.report is not None:
        session.reports.append(publication.report)
    return publication


@task(name="sink", cache_policy=NO_CACHE, persist_result=False)
def feed_warehouse(run_id: str, publication: Publication) -> None:
    """Bring the warehouse to the committed snapshot."""
    session = live_session(run_id)
    session.step("sink", lambda: sink_warehouse(session.settings, publication))
