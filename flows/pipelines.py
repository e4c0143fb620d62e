"""The five flows. Their parameters are names and times; Prefect checks the types before the run starts.

The name of the final state is the outcome: Published, Unchanged, Landed, Complete; Partial; Refused, Failed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from dataflow.access.modes import private_files, share_files
from dataflow.errors import DataFlowError, ExitCode, UsageError
from dataflow.run.record import RunOutcome
from dataflow.run.session import RunSession
from dataflow.settings import Settings, load_settings
from flows.checking import check_objects
from flows.incidents import WatchedRun, watching_incidents
from flows.ingest import ingest_windows
from flows.publication import conclude, publish_landed, report_failure
from flows.sessions import join_or_open, session_of_run
from lakehouse.plural import counted


@flow(name="ingest", persist_result=False)
def ingest(
    source: str | None = None,
    object_name: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    config: Path | None = None,
    home: Path | None = None,
    now: datetime | None = None,
    run_id: str | None = None,
) -> State[Any]:
    """Land what is new at the sources; publish nothing."""

    def work(session: RunSession) -> RunOutcome:
        rows = _ingest(session, source, object_name, since, until)
        return conclude(session, "landed" if rows else "unchanged", f"{counted(rows, 'row')} landed")

    return _run("ingest", work, config=config, home=home, now=now, run_id=run_id)


@flow(name="publish", persist_result=False)
def publish(
    retrain: bool = False,
    config: Path | None = None,
    home: Path | None = None,
    now: datetime | None = None,
    run_id: str | None = None,
) -> State[Any]:
    """Publish everything landed, audited, in one lake transaction; with `retrain`, train the identity models again."""

    def work(session: RunSession) -> RunOutcome:
        return publish_landed(session, retrain=retrain)

    return _run("publish", work, config=config, home=home, now=now, run_id=run_id)


@flow(name="daily", persist_result=False)
def daily(
    source: str | None = None,
    object_name: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    retrain: bool = False,
    config: Path | None = None,
    home: Path | None = None,
    now: datetime | None = None,
    run_id: str | None = None,
) -> State[Any]:
    """Land what is new, then publish; with `retrain`, train the identity models again."""

    def work(session: RunSession) -> RunOutcome:
        _ingest(session, source, object_name, since, until)
        return publish_landed(session, retrain=retrain)

    return _run("daily", work, config=config, home=home, now=now, run_id=run_id)


@flow(name="check", persist_result=False)
def check(
    source: str | None = None,
    object_name: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    config: Path | None = None,
    home: Path | None = None,
    now: datetime | None = None,
    run_id: str | None = None,
) -> State[Any]:
    """Land what is new, then compare raw with the sources; the next run reads again what is missing."""

    def work(session: RunSession) -> RunOutcome:
        _ingest(session, source, object_name, None, None)
        found = check_objects(session, source=source, object_name=object_name, since=since, until=until)
        return conclude(session, "complete", found)

    return _run("check", work, config=config, home=home, now=now, run_id=run_id)


@flow(name="backfill", persist_result=False)
def backfill(
    start: date,
    end: date,
    window_days: int = 1,
    workers: int = 10,
    config: Path | None = None,
    home: Path | None = None,
    now: datetime | None = None,
    run_id: str | None = None,
) -> State[Any]:
    """Land the days from `start` to `end`, both included, in windows of `window_days` by `workers`; publish once.

    Started again, it continues: complete windows are skipped, gaps are read again. With the setting
    `prefect.fetch_deployment`, `workers` runs on a work pool fetch the windows; one process commits in any case.
    """
    ranges = split_range(start, end, window_days=window_days)
    if workers < 1:
        raise UsageError(f"A backfill needs at least one worker, not {workers}.")

    def work(session: RunSession) -> RunOutcome:
        deployment = session.settings.prefect.fetch_deployment
        ingest_windows(session, ranges=ranges, skip_landed=True, workers=workers, deployment=deployment)
        return publish_landed(session)

    return _run("backfill", work, config=config, home=home, now=now, run_id=run_id)


def split_range(start: date, end: date, *, window_days: int) -> list[tuple[datetime, datetime]]:
    """Cut the days from `start` to `end`, both included, into ranges; from inclusive, until exclusive, UTC.

    Raises: UsageError for a range that ends before it starts, or windows shorter than a day.
    """
    if end < start:
        raise UsageError(f"A backfill from {start} to {end} ends before it starts.", next_move="Swap the two dates.")
    if window_days < 1:
        raise UsageError(f"A backfill lands at least one day at a time, not {window_days}.")
    beginning, stop = (datetime.combine(day, time(), tzinfo=UTC) for day in (start, end + timedelta(days=1)))
    step = timedelta(days=window_days)
    pieces = -(-(stop - beginning) // step)
    return [(beginning + n * step, min(beginning + (n + 1) * step, stop)) for n in range(pieces)]


def _ingest(
    session: RunSession, source: str | None, object_name: str | None, since: datetime | None, until: datetime | None
) -> int:
    workers = session.settings.prefect.source_concurrency
    ranges = [(since, until)]
    return ingest_windows(session, source=source, object_name=object_name, ranges=ranges, workers=workers)


def _run(
    kind: str,
    work: Callable[[RunSession], RunOutcome],
    *,
    config: Path | None,
    home: Path | None,
    now: datetime | None,
    run_id: str | None,
) -> State[Any]:
    """Do the work in a session and return its final state; raise every error but a refusal."""
    try:
        settings = _settings(config, home, run_id)
        # Who has opened the session looks at how it ends.
        watching = watching_incidents(settings) if run_id is None else nullcontext(WatchedRun())
        with private_files(), watching as watched, join_or_open(run_id, settings, kind, now=now) as session:
            watched.session = session
            try:
                outcome = work(session)
            except Exception as error:
                report_failure(session, error)
                raise
    except DataFlowError as error:
        if error.exit_code != ExitCode.REFUSED:
            raise
        return Failed(name="Refused", message=str(error), data=error)
    if outcome.status == "partial":
        # Failed for Prefect, so that its alerts report it. What was landed stays, and the next run continues.
        return Failed(name="Partial", message=outcome.message)
    return Completed(name=outcome.status.title(), message=outcome.message)


def _settings(config: Path | None, home: Path | None, run_id: str | None) -> Settings:
    settings = session_of_run(run_id).settings if run_id else load_settings(config, home=home)
    share_files(settings)
    return settings
