"""The five kinds of run: what each does in its session. The flows of the deployments and local runs use these."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

from dataflow.errors import UsageError
from dataflow.run.record import RunOutcome
from dataflow.run.session import RunSession
from flows.checking import check_objects
from flows.ingest import ingest_windows
from flows.publication import conclude, publish_landed, report_failure
from lakehouse.plural import counted

Work = Callable[[RunSession], RunOutcome]


def ingest(
    *,
    source: str | None = None,
    object_name: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Work:
    """Land what is new at the sources; publish nothing."""

    def work(session: RunSession) -> RunOutcome:
        rows = _ingest(session, source, object_name, since, until)
        return conclude(session, "landed" if rows else "unchanged", f"{counted(rows, 'row')} landed")

    return work


def publish(*, retrain: bool = False, change_budget: float | None = None) -> Work:
    """Publish everything landed, audited, in one lake transaction; with `retrain`, train the identity models again.

    Refused where a larger share of a published table's rows than `change_budget` would change.
    """
    return lambda session: publish_landed(session, retrain=retrain, change_budget=change_budget)


def daily(
    *,
    source: str | None = None,
    object_name: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    retrain: bool = False,
) -> Work:
    """Land what is new, then publish; with `retrain`, train the identity models again."""

    def work(session: RunSession) -> RunOutcome:
        _ingest(session, source, object_name, since, until)
        return publish_landed(session, retrain=retrain)

    return work


def check(
    *,
    source: str | None = None,
    object_name: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Work:
    """Land what is new, then compare raw with the sources; the next run reads again what is missing."""

    def work(session: RunSession) -> RunOutcome:
        _ingest(session, source, object_name, None, None)
        found = check_objects(session, source=source, object_name=object_name, since=since, until=until)
        return conclude(session, "complete", found)

    return work


def backfill(*, start: date, end: date, window_days: int = 1, workers: int = 10) -> Work:
    """Land the days from `start` to `end`, both included, in windows of `window_days` by `workers`; publish once."""
    ranges = split_range(start, end, window_days=window_days)
    if workers < 1:
        raise UsageError(f"A backfill needs at least one worker, not {workers}.")

    def work(session: RunSession) -> RunOutcome:
        deployment = session.settings.prefect.fetch_deployment
        ingest_windows(session, ranges=ranges, skip_landed=True, workers=workers, deployment=deployment)
        return publish_landed(session)

    return work


KINDS: dict[str, Callable[..., Work]] = {
    "ingest": ingest,
    "publish": publish,
    "daily": daily,
    "check": check,
    "backfill": backfill,
}


def perform(session: RunSession, work: Work) -> RunOutcome:
    """Do the work; record and report an error before raising it."""
    try:
        return work(session)
    except Exception as error:
        report_failure(session, error)
        raise


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
