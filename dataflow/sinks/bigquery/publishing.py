"""Bring a dataset of BigQuery from what it shows to a publication."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from dataflow.access.lake import lake_location
from dataflow.errors import SinkTimeout
from dataflow.publish.commit import Publication
from dataflow.settings import Settings
from dataflow.sinks.bigquery.checks import check_access, check_all, check_seen
from dataflow.sinks.bigquery.client import Connection
from dataflow.sinks.bigquery.copies import Contents, Copy, declared_contents
from dataflow.sinks.bigquery.ddl import ensure_datasets, ensure_tables, ensure_views, mark_retired
from dataflow.sinks.bigquery.jobs import Jobs, Spent
from dataflow.sinks.bigquery.load import Staged, count_in_lake, drop_staged, stage
from dataflow.sinks.bigquery.shape import PUBLICATION, Place
from dataflow.sinks.bigquery.state import State, is_comparison_due, list_tables, note_comparison, read_state
from dataflow.sinks.bigquery.transaction import publish_script
from dataflow.sinks.draft import collect_touched
from dataflow.sinks.feeds import choose_feeds, open_lake_reader
from dataflow.sinks.protocol import refuse_stranger
from dataflow.sinks.views import VIEWS
from dataflow.tables import published
from lakehouse import LakeView
from lakehouse.connect import interrupted_after, spread_small_tables
from lakehouse.table import Table


@dataclass(frozen=True, kw_only=True)
class _Step:
    """What one publication is written with, over what the dataset shows."""

    jobs: Jobs
    con: duckdb.DuckDBPyConnection
    contents: Contents
    publication: Publication
    state: State
    settings: Settings


def bring_to(
    connection: Connection, settings: Settings, publication: Publication, state: State, *, spent: Spent
) -> int:
    """Bring the dataset to the publication; return the number of rows written. `spent` counts what the jobs use.

    Raises: SinkError, WarehouseDiffers, AccessDiffers, SinkTimeout.
    """
    place = Place.of(settings)
    tables = list_tables(connection, str(place))
    is_due = is_comparison_due(connection, place, datetime.now(UTC).date())
    is_at = state.shown is not None and state.shown.is_at(publication)
    if is_at and not is_due:
        contents = declared_contents(settings, place, lake_id=publication.lake_id)
        if not _is_behind(contents, state, tables):
            jobs = Jobs.of(connection, settings, publication, lake_id=publication.lake_id, spent=spent)
            check_access(jobs, contents, is_loaded=True)
            return 0
    seconds = settings.sinks.timeout_seconds
    con = open_lake_reader(settings, at=publication.snapshot.id)
    with closing(con), interrupted_after(con, seconds=seconds):
        try:
            return _write(connection, con, settings, publication, state, spent=spent)
        except duckdb.InterruptException:
            raise SinkTimeout(
                f"The warehouse was not at publication {publication.number} after {seconds:g} s "
                "(sinks.timeout_seconds).",
                next_move="It is as it was. Raise the setting; the next run goes on.",
            ) from None


def _write(
    connection: Connection,
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    publication: Publication,
    state: State,
    *,
    spent: Spent,
) -> int:
    place = Place.of(settings)
    view = LakeView(con, lake_location(settings))
    lake_id, newest = view.lake_id(), view.newest_number()
    refuse_stranger(state.shown, lake_id=lake_id, newest=newest, sink="warehouse", place=str(place))
    jobs = Jobs.of(connection, settings, publication, lake_id=lake_id, spent=spent)
    if state.shown is not None:
        jobs.end_others("Waiting for the transaction of another run")
        state = read_state(connection, place)
    # Another run can have published meanwhile.
    if state.shown and state.shown.publication > publication.number:
        return 0
    contents = declared_contents(settings, place, lake_id=lake_id)
    spread_small_tables(con)
    tables, written = list_tables(connection, str(place)), 0
    is_at = state.shown is not None and state.shown.publication == publication.number
    # At the same publication, what somebody has dropped is written again.
    if not is_at or _is_behind(contents, state, tables):
        check_access(jobs, contents, is_loaded=False)
        there = [copy.target for copy in contents.copies if copy.role or copy.shown.name in tables]
        check_seen(jobs, contents, state.counts, there=there)
        written = _publish(
            _Step(jobs=jobs, con=con, contents=contents, publication=publication, state=state, settings=settings)
        )
    today = datetime.now(UTC).date()
    if is_comparison_due(connection, place, today):
        # The transaction of a first load has compared all rows.
        if state.shown is not None:
            check_all(jobs, con, contents)
        note_comparison(jobs, place, today)
    check_access(jobs, contents, is_loaded=True)
    return written


def _publish(step: _Step) -> int:
    """Write the publication; return the number of rows written."""
    jobs, contents, state, publication = step.jobs, step.contents, step.state, step.publication
    ensure_datasets(jobs, contents)
    prepared = ensure_tables(jobs, contents)
    ensure_views(jobs, contents.place)
    feeds = choose_feeds(
        step.con,
        published.TABLES,
        step.settings,
        after=state.shown.publication if state.shown else None,
        upto=publication.snapshot.id,
    )
    # A table of a role without a count has not been written under this declaration and key.
    whole = prepared.whole | {copy for copy in contents.copies if copy.role and copy.counted_as not in state.counts}
    staged = _stage(step, feeds, whole=whole)
    counts = {copy: count_in_lake(step.con, copy) for copy in contents.copies}
    script = publish_script(staged, counts, publication, place=contents.place, lake_id=jobs.lake_id, shown=state.shown)
    _commit(jobs, script, publication, place=contents.place)
    mark_retired(jobs, prepared.retired)
    drop_staged(jobs, contents.place, sorted(list_tables(jobs.connection, contents.place.staging)))
    return sum(one.rows for one in staged)


def _stage(step: _Step, feeds: Mapping[Table, str | None], *, whole: Collection[Copy]) -> list[Staged]:
    """Load the changed rows of each table, or all of those in `whole`."""
    shown, place = step.state.shown, step.contents.place
    base = str(shown.publication) if shown else "nothing"
    staged = []
    with tempfile.TemporaryDirectory(prefix="dataflow-bigquery-") as name:
        folder = Path(name)
        for table, feed in feeds.items():
            touched = None if feed is None else collect_touched(step.con, table, feed)
            for copy in step.contents.copies:
                if copy.seen.table != table or (touched == 0 and copy not in whole):
                    continue
                # Rows that cannot be told apart as they are seen are all written again.
                is_whole = touched is None or copy in whole or not copy.shown.key
                staged.append(
                    stage(step.con, copy, is_whole=is_whole, jobs=step.jobs, place=place, base=base, folder=folder)
                )
    return staged


def _commit(jobs: Jobs, script: str, publication: Publication, *, place: Place) -> None:
    from google.cloud import bigquery

    content = {"script": hashlib.sha256(script.encode()).hexdigest()[:32]}
    config = bigquery.QueryJobConfig(labels=jobs.labels(**content), maximum_bytes_billed=jobs.maximum_bytes_billed)

    def start(job_id: str, _: int, seconds: float) -> Any:
        return jobs.connection.client.query(
            script,
            job_config=config,
            job_id=job_id,
            location=jobs.connection.location,
            retry=None,
            job_retry=None,
            timeout=seconds,
        )

    def is_shown(_: Any) -> bool:
        found = read_state(jobs.connection, place).shown
        return found is not None and (found.publication, found.lake_id) == (publication.number, jobs.lake_id)

    jobs.once(
        "transaction",
        start,
        doing=f"Writing publication {publication.number}",
        content=content,
        accept=is_shown,
    )


def _is_behind(contents: Contents, state: State, tables: Collection[str]) -> bool:
    """Return whether tables or views are missing, or a table of a role is to be written."""
    wanted = {*(table.name for table in published.TABLES), *VIEWS, PUBLICATION}
    return bool(wanted - set(tables)) or any(
        copy.role and copy.counted_as not in state.counts for copy in contents.copies
    )
