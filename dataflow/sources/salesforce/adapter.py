"""The Salesforce adapter: objects of an org, read in closed windows of its own time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pyarrow as pa

from dataflow.errors import UsageError
from dataflow.settings import ObjectSettings, SalesforceSettings, SourceSettings
from dataflow.sources.ahead import bound_of_belief, window_ahead
from dataflow.sources.protocol import (
    BEGINNING,
    END,
    Ahead,
    Fetch,
    FetchReport,
    ObjectState,
    PlannedWindow,
    SourceObject,
    Window,
    WindowMeasure,
)
from dataflow.sources.rows import parse_time
from dataflow.sources.salesforce import budget, deletions, soql, windows
from dataflow.sources.salesforce.connection import Connection, open_connection
from dataflow.sources.salesforce.fields import choose_columns, field_infos
from dataflow.sources.salesforce.reading import Reading, WindowReader
from dataflow.sources.versions import measure
from lakehouse.connect import connect


class SalesforceSource:
    """A source whose objects are those of one Salesforce org."""

    def __init__(self, name: str, settings: SourceSettings) -> None:
        self.name = name
        self.settings = settings.section(SalesforceSettings)
        self.objects = settings.objects
        self.lookback = timedelta(seconds=settings.lookback_seconds)

    @property
    def connection(self) -> Connection:
        """Return the process's connection to the org, made on first use."""
        return open_connection(self.settings)

    def discover(self) -> list[SourceObject]:
        """List the declared objects with their fields, then the other queryable ones by name."""
        described = [
            SourceObject(
                self.name,
                name,
                is_declared=True,
                fields=field_infos(self.objects[name], self.connection.described(remote)),
            )
            for name, remote in self._remotes().items()
        ]
        read = set(self._remotes().values())
        others = [str(one["name"]) for one in self.connection.list_objects() if one.get("queryable")]
        return described + [
            SourceObject(self.name, name, is_declared=False) for name in sorted(others) if name not in read
        ]

    def plan(
        self, object_name: str, state: ObjectState, *, since: datetime | None = None, until: datetime | None = None
    ) -> list[PlannedWindow]:
        """Plan from the watermark less the look-back up to the org's clock, or from the beginning when that is due.

        A further window has the rows that are stamped ahead and believed (`ahead_hours`).
        Costs one API call; a first load one or two more, and about two per slice of a big one.
        Raises: UsageError, ConfigurationError, SourceMissing, SourceRefused, SourceUnavailable, and SourceIncomplete
        when the calls left do not suffice for what is planned.
        """
        declared, remote = self._declared(object_name), self.remote(object_name)
        choose_columns(declared, self.connection.describe(remote), name=f"{self.name}.{object_name}")
        now = self.connection.now()
        window = windows.choose_window(declared, state, now, lookback=self.lookback, since=since, until=until)
        ahead = window_ahead(declared, now, since=since, until=until)
        pieces = [(piece, True) for piece in (self._pieces(declared, remote, window) if window else [])]
        pieces += [(ahead, False)] if ahead else []
        subject = f"{self.name}.{object_name}"
        planned = [
            PlannedWindow(
                self.name,
                object_name,
                piece,
                (),
                windows.fingerprint(self.name, object_name, declared, piece, now),
                moves_watermark=moves_watermark,
                asked_at=now,
            )
            for piece, moves_watermark in pieces
        ]
        self.connection.session.budget.require(self.forecast(planned), doing=f"Reading {subject}")
        return planned

    def forecast(self, planned: Sequence[PlannedWindow]) -> int:
        """Return how many API calls these windows take, by their counted rows; two for an uncounted window."""
        counts = [self.connection.expected.get((self.remote(one.object), one.window)) for one in planned]
        return sum(2 if rows is None else 1 + self._calls(rows) for rows in counts)

    def fetch(self, planned: PlannedWindow) -> Fetch:
        """Read a window: its current rows, deleted ones marked, then the deletions that only the log has."""
        report = FetchReport()
        return Fetch(self._reader(planned, report).batches(), report)

    def deletions(self, planned: PlannedWindow) -> Iterator[pa.RecordBatch]:
        """Read the deletions of the window."""
        for batch in self._reader(planned, FetchReport(), only_deleted=True).batches():
            gone = batch.filter(batch.column("is_deleted"))
            if gone.num_rows:
                yield gone

    def measure(self, planned: PlannedWindow) -> WindowMeasure:
        """Read the window again and count and fingerprint its versions."""
        con = connect(threads=1)
        try:
            return measure(con, self.fetch(planned).batches)
        finally:
            con.close()

    def survey(self, planned: PlannedWindow) -> WindowMeasure:
        """Count the current records whose version is in the window: one API call. SOQL has no fingerprint."""
        declared, remote = self._declared(planned.object), self.remote(planned.object)
        where = soql.within(planned.window, declared.cursor)
        return WindowMeasure(self.connection.count(soql.select([], remote, where=where), with_deleted=False), "")

    def count_ahead(self, object_name: str) -> Ahead | None:
        """Count the rows that are stamped later than the org's clock, and than is believed: one API call."""
        declared = self._declared(object_name)
        bound = bound_of_belief(declared, self.connection.now())
        where = soql.within(Window(bound, END), declared.cursor)
        query = soql.select([], self.remote(object_name), where=where)
        return Ahead(self.connection.count(query, with_deleted=True), bound)

    def halve(self, planned: PlannedWindow) -> Sequence[PlannedWindow]:
        """Cut a window in the middle of its time; a single second cannot be cut."""
        start, until = planned.window.start, planned.window.until
        middle = (start + (until - start) / 2).replace(microsecond=0)
        if not start < middle < until:
            return []
        return [self._of_window(planned, Window(start, middle)), self._of_window(planned, Window(middle, until))]

    def missing_keys(self, object_name: str, known_keys: Iterator[str]) -> Iterator[str]:
        """Yield those of `known_keys` that the org no longer has, not even in its recycle bin.

        Raises: SourceIncomplete when the calls left do not suffice to list its keys.
        """
        self._declared(object_name)
        reading = Reading(self.connection, self.settings, self.remote(object_name), f"{self.name}.{object_name}")
        return deletions.missing_keys(known_keys, reading.keys)

    def remote(self, object_name: str) -> str:
        """Return the object's name in the org."""
        return self._declared(object_name).remote or object_name

    def _reader(self, planned: PlannedWindow, report: FetchReport, *, only_deleted: bool = False) -> WindowReader:
        declared, remote = self._declared(planned.object), self.remote(planned.object)
        subject = f"{self.name}.{planned.object}"
        reading = Reading(self.connection, self.settings, remote, subject)
        return WindowReader(reading, declared, planned, report, only_deleted=only_deleted)

    def _pieces(self, declared: ObjectSettings, remote: str, window: Window) -> list[Window]:
        """Cut a first load by its count; any other window is the interval since the last run."""
        if window.start > BEGINNING:
            return [window]

        def count(piece: Window) -> int:
            where = soql.within(piece, declared.cursor)
            return self.connection.count(soql.select([], remote, where=where), with_deleted=True)

        rows = count(window)
        earliest = self._earliest(declared, remote) if rows > self.settings.slice_rows else None
        cut = windows.cut(window, rows, earliest=earliest or window.start, limit=self.settings.slice_rows, count=count)
        pieces = dict(cut)
        for piece, held in pieces.items():
            self.connection.expected[remote, piece] = held
        return list(pieces)

    def _earliest(self, declared: ObjectSettings, remote: str) -> datetime | None:
        oldest = soql.select([declared.cursor], remote, order=[declared.cursor], limit=1)
        records = self.connection.query(oldest, with_deleted=True).records
        return parse_time(records[0][declared.cursor]) if records else None

    def _calls(self, rows: int) -> int:
        rest, bulk = budget.rest_calls(rows), budget.bulk_calls(rows, page_rows=self.settings.bulk_page_rows)
        return bulk if rows >= self.settings.bulk_from_rows else min(rest, bulk)

    def _remotes(self) -> dict[str, str]:
        return {name: self.remote(name) for name in self.objects}

    def _of_window(self, planned: PlannedWindow, window: Window) -> PlannedWindow:
        declared = self._declared(planned.object)
        name = windows.fingerprint(self.name, planned.object, declared, window, self.connection.now())
        return replace(planned, window=window, fingerprint=name)

    def _declared(self, object_name: str) -> ObjectSettings:
        if object_name not in self.objects:
            raise UsageError(
                f"The source {self.name} has no object {object_name}; it declares {', '.join(sorted(self.objects))}.",
                next_move="Name one of these, or declare it in dataflow.toml.",
            )
        return self.objects[object_name]
