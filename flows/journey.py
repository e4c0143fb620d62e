"""The order of a run's tasks: the one place where the pipeline is composed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any

from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from dataflow.land import FetchedWindow
from dataflow.publish import Publication
from dataflow.run_report import ReportDraft, drafting_report, write_run_report
from dataflow.runs import RunOutcome, RunStatus
from dataflow.session import RunSession
from dataflow.sources.protocol import PlannedWindow
from dataflow.stages import STAGES
from flows.artifacts import post_report, progress_artifact
from flows.retry import with_retries
from flows.tasks import commit_publication, compute, feed_warehouse, fetch, land, plan

PUBLISHING_STEPS = len(STAGES) + 2


def ingest_windows(
    session: RunSession,
    *,
    source: str | None,
    object_name: str | None,
    since: datetime | None,
    until: datetime | None,
    workers: int,
) -> int:
    """Fetch what is new, several objects at once, then land it; returns the rows that were new.

    Nothing is landed when an object could not be fetched: the lake stays as it was.
    """
    run_id = session.run.run_id
    windows = with_retries(plan, session.settings)(run_id, source, object_name, since, until)
    if not windows:
        return 0
    fetched = fetch_objects(session, windows, workers=workers)
    return with_retries(land, session.settings)(run_id, fetched)


def fetch_objects(session: RunSession, windows: Sequence[PlannedWindow], *, workers: int) -> list[FetchedWindow]:
    """Fetch the windows of each object in a task of its own, `workers` at once."""
    by_object: dict[str, list[PlannedWindow]] = defaultdict(list)
    for window in windows:
        by_object[f"{window.source}.{window.object}"].append(window)
    with session.stage("fetch"), _threads(workers) as runner:
        futures: list[PrefectFuture[list[FetchedWindow]]] = [
            runner.submit(
                with_retries(fetch, session.settings, name=f"fetch {name}"),
                parameters={"run_id": session.run.run_id, "windows": tuple(of_object)},
            )
            for name, of_object in by_object.items()
        ]
        return _all_or_first_error(dict(zip(by_object, futures, strict=True)))


def publish_landed(session: RunSession) -> RunOutcome:
    """Compute, audit and commit one publication of everything landed, then feed the sinks."""
    run_id = session.run.run_id
    with session.open_workspace(), progress_artifact(session.run.kind, steps=PUBLISHING_STEPS) as advance:
        for stage in STAGES:
            compute(run_id, stage)
            advance()
        publication = with_retries(commit_publication, session.settings)(run_id)
        advance()
        with drafting_report(session) as draft:
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
    """Put the end of the run on record, draw its report and post it."""
    outcome = session.conclude(status, message, snapshot_id=snapshot_id)
    session.outcome = write_run_report(session, outcome, draft=draft)
    post_report(session.outcome)
    return session.outcome


def _threads(workers: int) -> ThreadPoolTaskRunner[Any]:
    return ThreadPoolTaskRunner(max_workers=workers)


def _all_or_first_error(futures: dict[str, PrefectFuture[list[FetchedWindow]]]) -> list[FetchedWindow]:
    """Wait for all; the first error is raised, and says which other objects failed too."""
    errors: dict[str, Exception] = {}
    fetched: list[FetchedWindow] = []
    for name, future in futures.items():
        answer: list[FetchedWindow] | Exception = future.result(raise_on_failure=False)
        if isinstance(answer, Exception):
            errors[name] = answer
        else:
            fetched += answer
    if errors:
        first, *others = errors
        for other in others:
            errors[first].add_note(f"{other} failed too: {errors[other]}")
        raise errors[first]
    return fetched


def _words(publication: Publication) -> str:
    """The run's message: what changed, since "it completed" is not "it is right"."""
    if not publication.is_new:
        return "nothing new: nothing was published"
    changed = {name: staged.changed for name, staged in publication.written.items() if staged.changed}
    return f"{sum(changed.values()):,} rows in {len(changed)} tables changed, {publication.checks} checks passed"
