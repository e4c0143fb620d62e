"""The five kinds of run as Prefect flows. Their parameters are names and times, whose types Prefect checks first.

The name of the final state is the outcome: Published, Unchanged, Landed, Complete; Partial; Refused, Failed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from dataflow.access.modes import private_files, share_files
from dataflow.errors import DataFlowError, ExitCode
from dataflow.run.session import RunSession, open_run
from dataflow.settings import load_settings
from flows import kinds
from flows.follow import follow_sources
from flows.incidents import watching_incidents
from flows.kinds import Work
from flows.on_prefect import OnPrefect
from flows.sessions import registered, session_of_run
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

    work = kinds.ingest(source=source, object_name=object_name, since=since, until=until)
    return _run("ingest", work, config=config, home=home, now=now, run_id=run_id)


@flow(name="publish", persist_result=False)
def publish(
    retrain: bool = False,
    change_budget: float | None = None,
    config: Path | None = None,
    home: Path | None = None,
    now: datetime | None = None,
    run_id: str | None = None,
) -> State[Any]:
    """Publish everything landed, audited, in one lake transaction; with `retrain`, train the identity models again.

    Refused where a larger share of a published table's rows than `change_budget` would change.
    """
    work = kinds.publish(retrain=retrain, change_budget=change_budget)
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

    work = kinds.daily(source=source, object_name=object_name, since=since, until=until, retrain=retrain)
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

    work = kinds.check(source=source, object_name=object_name, since=since, until=until)
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
    work = kinds.backfill(start=start, end=end, window_days=window_days, workers=workers)
    return _run("backfill", work, config=config, home=home, now=now, run_id=run_id)


@flow(name="follow", persist_result=False)
def follow(
    every_seconds: float = 30.0,
    for_minutes: float = 55.0,
    config: Path | None = None,
    home: Path | None = None,
) -> State[Any]:
    """Land and publish what is new every `every_seconds`, for `for_minutes`; the next flow run goes on.

    Its runs are on record in the lake, not in Prefect. They are without retries of the whole: the next turn is one.
    """
    settings = load_settings(config, home=home)
    with private_files():
        runs = follow_sources(
            settings, every_seconds=every_seconds, for_seconds=60 * for_minutes, stop=threading.Event()
        )
    return Completed(name="Complete", message=f"{counted(runs, 'run')} in {for_minutes:g} minutes")


def _run(
    kind: str,
    work: Work,
    *,
    config: Path | None,
    home: Path | None,
    now: datetime | None,
    run_id: str | None,
) -> State[Any]:
    """Do the work in a session and return its final state; raise every error but a refusal."""
    try:
        with private_files(), _join_or_open(run_id, kind, config=config, home=home, now=now) as session:
            outcome = kinds.perform(session, work)
    except DataFlowError as error:
        if error.exit_code != ExitCode.REFUSED:
            raise
        return Failed(name="Refused", message=str(error), data=error)
    if outcome.status == "partial":
        # Failed for Prefect, so that its alerts report it. What was landed stays, and the next run continues.
        return Failed(name="Partial", message=outcome.message)
    return Completed(name=outcome.status.title(), message=outcome.message)


@contextmanager
def _join_or_open(
    run_id: str | None, kind: str, *, config: Path | None, home: Path | None, now: datetime | None
) -> Iterator[RunSession]:
    """Yield the session that the caller of the flow has opened, or open one."""
    if run_id is not None:
        session = session_of_run(run_id)
        share_files(session.settings)
        yield session
        return
    settings = load_settings(config, home=home)
    share_files(settings)
    # Who has opened the session looks at how it ends.
    with (
        watching_incidents(settings) as watched,
        open_run(settings, kind, now=now) as session,
        registered(session, OnPrefect(settings)),
    ):
        watched.session = session
        yield session
