"""The sink `warehouse` in BigQuery: one dataset with the published tables and views of one publication.

Rows are loaded into staging tables, and one transaction brings all tables and the publication's row to the publication:
a reader sees one publication or the next. A kill at any point leaves staged rows, which the next call uses, or a
running transaction, for which it waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import duckdb

from dataflow.access.lake import lake_location
from dataflow.errors import SinkError
from dataflow.publish.commit import Publication
from dataflow.settings import Settings
from dataflow.sinks.bigquery.applying import apply_differences, make_structure
from dataflow.sinks.bigquery.checks import find_differences
from dataflow.sinks.bigquery.client import Connection
from dataflow.sinks.bigquery.copies import Contents, declared_contents
from dataflow.sinks.bigquery.jobs import Jobs, Spent
from dataflow.sinks.bigquery.load import drop_staged
from dataflow.sinks.bigquery.plan import access_records, plan_parts
from dataflow.sinks.bigquery.present import tables_of_roles
from dataflow.sinks.bigquery.publishing import bring_to
from dataflow.sinks.bigquery.shape import PUBLICATION, Place
from dataflow.sinks.bigquery.state import list_tables, read_state
from dataflow.sinks.bigquery.transaction import clear_script, forget_condition, forget_script
from dataflow.sinks.feeds import open_lake_reader
from dataflow.sinks.protocol import Records, Shown, refuse_stranger
from dataflow.sources.protocol import Finding
from dataflow.tables import published
from dataflow.tables.subject import Subject
from dataflow.workspace.cost import COST_FACT
from dataflow.workspace.report import StepReport, measured, resident_bytes
from lakehouse import LakeError, LakeView


class BigQueryWarehouse:
    """The sink `warehouse`: the dataset `warehouse.bigquery.dataset`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.place = Place.of(settings)

    def follow(self, publication: Publication) -> StepReport:
        """Bring the dataset to the publication, unless it shows it already and has all tables and views.

        Raises: SinkError when BigQuery is not reached or refuses, when it differs or is of another lake; AccessDiffers
        before the load where a declared policy is missing, and after it for any difference; SinkTimeout.
        """
        spent = Spent()
        with measured() as watch, self._connection("Reading the warehouse") as connection:
            state = read_state(connection, self.place)
            has = state.shown.publication if state.shown else None
            try:
                written = bring_to(connection, self._settings, publication, state, spent=spent)
            except SinkError as error:
                error.cost = self._cost(connection, publication, spent)
                raise
            cost = self._cost(connection, publication, spent)
        return StepReport(
            stage="sink",
            subject="warehouse",
            rows_in=written,
            rows_out=written,
            seconds=watch.seconds,
            peak_rss_bytes=resident_bytes(),
            facts={"publication": publication.number, "was_at": has, COST_FACT: cost},
        )

    def forget(self, subject: Subject) -> int:
        """Delete the person's rows in one transaction. They stay readable by time travel for two days.

        Raises: SinkError.
        """
        with self._connection("Removing a person from the warehouse") as connection:
            shown = read_state(connection, self.place).shown
            if shown is None:
                return 0
            jobs = self._jobs(connection, shown)
            there = list_tables(connection, str(self.place))
            tables = [table for table in published.TABLES if table.name in there]
            counts = [
                f"(SELECT COUNT(*) FROM {self.place.published(table.name)} WHERE {condition})"
                for table in tables
                if (condition := forget_condition(table, subject))
            ]
            if not counts:
                return 0
            [(removed,)] = jobs.query(f"SELECT {' + '.join(counts)}", "Counting a person's rows")
            masked = tables_of_roles(connection, self.place)
            jobs.query(forget_script(tables, masked, subject, self.place), "Removing a person from the warehouse")
            drop_staged(jobs, self.place, sorted(list_tables(connection, self.place.staging)))
            return int(removed)

    def shows(self) -> Shown | None:
        """Return the publication of the dataset. Raises: SinkError."""
        with self._connection("Reading the warehouse") as connection:
            return read_state(connection, self.place).shown

    def clear(self) -> None:
        """Empty all tables; they, their policies and grants stay. Raises: SinkError."""
        with self._connection("Clearing the warehouse") as connection:
            there = list_tables(connection, str(self.place))
            if PUBLICATION in there:
                jobs = self._jobs(connection, read_state(connection, self.place).shown)
                names = [table.name for table in published.TABLES if table.name in there]
                targets = [*map(self.place.published, names), *tables_of_roles(connection, self.place)]
                jobs.query(clear_script(targets, self.place), "Clearing the warehouse")

    def probe(self) -> Iterator[Finding]:
        """Check that BigQuery answers, and name the publication that the dataset shows."""
        try:
            shown = self.shows()
        except SinkError as error:
            yield Finding("reach", False, error.message, error.next_move)
            return
        found = f"publication {shown.publication}" if shown else "nothing yet"
        yield Finding("reach", True, f"shows {found} in BigQuery {self.place}")
        if shown and self._settings.access.members:
            yield self._probe_access()

    def _probe_access(self) -> Finding:
        try:
            with self._open("Comparing access") as (jobs, _, contents):
                differences, _ = find_differences(jobs, contents)
        except (SinkError, LakeError) as error:
            return Finding("access", False, str(error), "Give the publisher the right to read policies.")
        named = f"{len(differences)} differences from the settings" if differences else "as declared"
        return Finding("access", not differences, named, "dataflow warehouse plan" if differences else "")

    def _cost(self, connection: Connection, publication: Publication, spent: Spent) -> dict[str, Any]:
        jobs = Jobs.of(connection, self._settings, publication, lake_id=publication.lake_id, spent=spent)
        return jobs.cost(str(self.place)).as_fact()

    def _jobs(self, connection: Connection, shown: Shown | None) -> Jobs:
        return Jobs(
            connection=connection,
            lake_id=shown.lake_id if shown else "unknown",
            publication=shown.publication if shown else 0,
            run_id="",
            maximum_bytes_billed=self._settings.warehouse.bigquery.maximum_bytes_billed,
        )

    def plan(self, *, is_deep: bool) -> dict[str, Records]:
        """Compare tables and access with lake and settings; `is_deep` compares all rows. Raises: SinkError."""
        with self._open("Planning the warehouse") as (jobs, con, contents):
            view = LakeView(con, lake_location(self._settings))
            return plan_parts(
                jobs, con, contents, is_deep=is_deep, newest=view.last_change_in("published") or view.newest_number()
            )

    def apply(self, *, prune: bool, confirm: Callable[[Records], bool]) -> Records:
        """Create and correct what is declared; with `prune` remove what is not, once `confirm` has agreed to the list.

        Return what was done, and what is left. Raises: SinkError.
        """
        with self._open("Applying access to the warehouse") as (jobs, _, contents):
            make_structure(jobs, contents)
            differences, publisher = find_differences(jobs, contents)
            undeclared = [one for one in differences if one.state == "undeclared"]
            is_agreed = prune and bool(undeclared) and confirm(access_records(undeclared))
            done = apply_differences(jobs, contents, differences, publisher=publisher, prune=is_agreed)
            return [
                {**record, "done": one in done}
                for one, record in zip(differences, access_records(differences), strict=True)
            ]

    @contextmanager
    def _open(self, doing: str) -> Iterator[tuple[Jobs, duckdb.DuckDBPyConnection, Contents]]:
        """Open BigQuery and the lake at its newest state. Raises: SinkError where the dataset is of another lake."""
        with self._connection(doing) as connection, closing(open_lake_reader(self._settings)) as con:
            view = LakeView(con, lake_location(self._settings))
            lake_id, shown = view.lake_id(), read_state(connection, self.place).shown
            newest = view.newest_number()
            refuse_stranger(shown, lake_id=lake_id, newest=newest, sink="warehouse", place=str(self.place))
            jobs = replace(self._jobs(connection, shown), lake_id=lake_id)
            yield jobs, con, declared_contents(self._settings, self.place, lake_id=lake_id)

    @contextmanager
    def _connection(self, doing: str) -> Iterator[Connection]:
        """Open a connection for `sinks.timeout_seconds`; name errors that no step has named."""
        with Connection(self._settings, seconds=self._settings.sinks.timeout_seconds) as connection:
            from google.api_core.exceptions import GoogleAPICallError

            try:
                yield connection
            except GoogleAPICallError as error:
                raise connection.explain(doing, error) from None
