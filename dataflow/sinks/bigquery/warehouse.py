"""The sink `warehouse` in BigQuery: one dataset with the published tables and views of one publication.

Rows are loaded into staging tables, and one transaction brings all tables and the publication's row to the publication:
a reader sees one publication or the next. A kill at any point leaves staged rows, which the next call uses, or a
running transaction, for which it waits.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb

from dataflow.access.lake import lake_location
from dataflow.errors import SinkError, SinkTimeout
from dataflow.publish.commit import Publication
from dataflow.settings import Settings
from dataflow.sinks.bigquery.client import Connection
from dataflow.sinks.bigquery.ddl import ensure_datasets, ensure_tables, ensure_views, mark_retired
from dataflow.sinks.bigquery.jobs import Jobs
from dataflow.sinks.bigquery.load import Staged, drop_staged, stage
from dataflow.sinks.bigquery.shape import PUBLICATION, PUBLICATION_FIELDS, Place
from dataflow.sinks.bigquery.transaction import clear_script, forget_condition, forget_script, publish_script
from dataflow.sinks.feeds import choose_feeds, open_lake_reader
from dataflow.sinks.protocol import Shown, refuse_stranger
from dataflow.sinks.views import VIEWS
from dataflow.sources.protocol import Finding
from dataflow.tables import published
from dataflow.tables.subject import Subject
from dataflow.workspace.report import StepReport, measured, resident_bytes
from lakehouse import LakeView
from lakehouse.connect import interrupted_after, spread_small_tables
from lakehouse.query import fetch_int
from lakehouse.table import Table


class BigQueryWarehouse:
    """The sink `warehouse`: the dataset `warehouse.bigquery.dataset`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.place = Place.of(settings)

    def follow(self, publication: Publication) -> StepReport:
        """Bring the dataset to the publication, unless it shows it already and has all tables and views.

        Raises: SinkError when BigQuery is not reached or refuses, when it differs or is of another lake; SinkTimeout.
        """
        with measured() as watch, self._connection("Reading the warehouse") as connection:
            shown = read_shown(connection, self.place)
            is_done = shown is not None and shown.is_at(publication) and not self._missing(connection)
            written = 0 if is_done else self._bring_to(connection, publication, shown)
        return StepReport(
            stage="sink",
            subject="warehouse",
            rows_in=written,
            rows_out=written,
            seconds=watch.seconds,
            peak_rss_bytes=resident_bytes(),
            facts={"publication": publication.number, "was_at": shown.publication if shown else None},
        )

    def forget(self, subject: Subject) -> int:
        """Delete the person's rows in one transaction. They stay readable by time travel for two days.

        Raises: SinkError.
        """
        with self._connection("Removing a person from the warehouse") as connection:
            shown = read_shown(connection, self.place)
            if shown is None:
                return 0
            jobs = self._jobs(connection, shown)
            there = _names(connection, self.place.dataset)
            tables = [table for table in published.TABLES if table.name in there and table.subjects]
            counts = [
                f"(SELECT COUNT(*) FROM {self.place.published(table.name)} WHERE {condition})"
                for table in tables
                if (condition := forget_condition(table, subject))
            ]
            if not counts:
                return 0
            [(removed,)] = jobs.query(f"SELECT {' + '.join(counts)}", "Counting a person's rows")
            jobs.query(forget_script(tables, subject, self.place), "Removing a person from the warehouse")
            drop_staged(jobs, self.place, sorted(_names(connection, self.place.staging)))
            return int(removed)

    def shows(self) -> Shown | None:
        """Return the publication of the dataset. Raises: SinkError."""
        with self._connection("Reading the warehouse") as connection:
            return read_shown(connection, self.place)

    def clear(self) -> None:
        """Empty all tables; they, their policies and grants stay. Raises: SinkError."""
        with self._connection("Clearing the warehouse") as connection:
            there = _names(connection, self.place.dataset)
            if PUBLICATION in there:
                jobs = self._jobs(connection, read_shown(connection, self.place))
                tables = [table for table in published.TABLES if table.name in there]
                jobs.query(clear_script(tables, self.place), "Clearing the warehouse")

    def probe(self) -> Iterator[Finding]:
        """Check that BigQuery answers, and name the publication that the dataset shows."""
        try:
            shown = self.shows()
        except SinkError as error:
            yield Finding("reach", False, error.message, error.next_move)
            return
        found = f"publication {shown.publication}" if shown else "nothing yet"
        yield Finding("reach", True, f"shows {found} in BigQuery {self.place}")

    def _bring_to(self, connection: Connection, publication: Publication, shown: Shown | None) -> int:
        """Bring the dataset to the publication; return the number of rows written."""
        seconds = self._settings.sinks.timeout_seconds
        con = open_lake_reader(self._settings, at=publication.snapshot.id)
        with closing(con), interrupted_after(con, seconds=seconds):
            try:
                return self._write(connection, con, publication, shown)
            except duckdb.InterruptException:
                raise SinkTimeout(
                    f"The warehouse was not at publication {publication.number} after {seconds:g} s "
                    "(sinks.timeout_seconds).",
                    next_move="It is as it was. Raise the setting; the next run goes on.",
                ) from None

    def _write(
        self, connection: Connection, con: duckdb.DuckDBPyConnection, publication: Publication, shown: Shown | None
    ) -> int:
        view = LakeView(con, lake_location(self._settings))
        lake_id, newest = view.lake_id(), view.newest_number()
        refuse_stranger(shown, lake_id=lake_id, newest=newest, sink="warehouse", place=str(self.place))
        jobs = Jobs.of(connection, self._settings, publication, lake_id=lake_id)
        if shown is not None:
            jobs.end_others("Waiting for the transaction of another run")
            shown = read_shown(connection, self.place)
        # Another run can have published meanwhile. At the same publication, what somebody has dropped is written again.
        if shown and shown.publication > publication.number:
            return 0
        if shown and shown.publication == publication.number and not self._missing(connection):
            return 0
        return self._publish(jobs, con, publication, shown)

    def _publish(
        self, jobs: Jobs, con: duckdb.DuckDBPyConnection, publication: Publication, shown: Shown | None
    ) -> int:
        ensure_datasets(jobs, self.place)
        prepared = ensure_tables(jobs, self.place)
        ensure_views(jobs, self.place)
        spread_small_tables(con)
        feeds = choose_feeds(
            con,
            published.TABLES,
            self._settings,
            after=shown.publication if shown else None,
            upto=publication.snapshot.id,
        )
        feeds |= dict.fromkeys(prepared.whole)
        staged = self._stage(jobs, con, feeds, shown)
        counts = {table.name: fetch_int(con, f"SELECT count(*) FROM {table.in_lake}") for table in published.TABLES}
        script = publish_script(staged, counts, publication, place=self.place, lake_id=jobs.lake_id, shown=shown)
        self._commit(jobs, script, publication)
        mark_retired(jobs, self.place, prepared.retired)
        drop_staged(jobs, self.place, sorted(_names(jobs.connection, self.place.staging)))
        return sum(one.rows for one in staged)

    def _stage(
        self, jobs: Jobs, con: duckdb.DuckDBPyConnection, feeds: dict[Table, str | None], shown: Shown | None
    ) -> list[Staged]:
        base = str(shown.publication) if shown else "nothing"
        with tempfile.TemporaryDirectory(prefix="dataflow-bigquery-") as folder:
            found = [
                stage(con, table, feed, jobs=jobs, place=self.place, base=base, folder=Path(folder))
                for table, feed in feeds.items()
            ]
        return [one for one in found if one is not None]

    def _commit(self, jobs: Jobs, script: str, publication: Publication) -> None:
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
            found = read_shown(jobs.connection, self.place)
            return found is not None and (found.publication, found.lake_id) == (publication.number, jobs.lake_id)

        jobs.once(
            "transaction",
            start,
            doing=f"Writing publication {publication.number}",
            content=content,
            accept=is_shown,
        )

    def _missing(self, connection: Connection) -> set[str]:
        """Return the tables and views that the dataset lacks."""
        wanted = {*(table.name for table in published.TABLES), *VIEWS, PUBLICATION}
        return wanted - _names(connection, self.place.dataset)

    def _jobs(self, connection: Connection, shown: Shown | None) -> Jobs:
        return Jobs(
            connection=connection,
            lake_id=shown.lake_id if shown else "unknown",
            publication=shown.publication if shown else 0,
            run_id="",
            maximum_bytes_billed=self._settings.warehouse.bigquery.maximum_bytes_billed,
        )

    @contextmanager
    def _connection(self, doing: str) -> Iterator[Connection]:
        """Open a connection for `sinks.timeout_seconds`; name errors that no step has named."""
        with Connection(self._settings, seconds=self._settings.sinks.timeout_seconds) as connection:
            from google.api_core.exceptions import GoogleAPICallError

            try:
                yield connection
            except GoogleAPICallError as error:
                raise connection.explain(doing, error) from None


def read_shown(connection: Connection, place: Place) -> Shown | None:
    """Return the publication that the dataset shows; None where it shows none. Raises: SinkError."""
    from google.api_core.exceptions import NotFound
    from google.cloud import bigquery

    fields = [bigquery.SchemaField.from_api_repr(field) for field in PUBLICATION_FIELDS]
    try:
        rows = connection.list_all(
            "Reading the publication",
            "list_rows",
            f"{place}.{PUBLICATION}",
            selected_fields=fields,
            max_results=2,
        )
    except NotFound:
        return None
    if len(rows) > 1:
        raise SinkError(
            f"{place}.{PUBLICATION} has more than one row.", next_move="Empty it: `dataflow sinks adopt warehouse`."
        )
    return Shown(int(rows[0]["publication"]), str(rows[0]["lake_id"])) if rows else None


def _names(connection: Connection, dataset: str) -> set[str]:
    """Return the names of a dataset's tables and views; none where there is no dataset."""
    from google.api_core.exceptions import NotFound

    try:
        found = connection.list_all(f"Listing the tables of {dataset}", "list_tables", dataset)
    except NotFound:
        return set()
    return {str(table.table_id) for table in found}
