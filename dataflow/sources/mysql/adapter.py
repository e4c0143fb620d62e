"""The mysql adapter: tables of a MySQL or MariaDB, read over TLS 1.3 in consistent snapshots, with SELECT only."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta

import pyarrow as pa

from dataflow.errors import ConfigurationError, UsageError
from dataflow.settings import MySQLSettings, ObjectSettings, SourceSettings
from dataflow.sources.ahead import window_ahead
from dataflow.sources.by_hash import by_hash_of, stamped
from dataflow.sources.drift import answer_drift, find_drift
from dataflow.sources.key_versions import resume_from, version_of_key
from dataflow.sources.mysql.columns import read_columns
from dataflow.sources.mysql.connection import Session, literal, open_session, quote
from dataflow.sources.mysql.cutting import cut
from dataflow.sources.mysql.error_map import explained
from dataflow.sources.mysql.keys import find_missing_keys
from dataflow.sources.mysql.questions import Table, rows_sql
from dataflow.sources.mysql.reading import read_rows
from dataflow.sources.mysql.replica import read_clock, readable_until
from dataflow.sources.mysql.surveying import count_ahead, survey
from dataflow.sources.mysql.unique_keys import require_unique
from dataflow.sources.protocol import (
    BEGINNING,
    Ahead,
    Fetch,
    FetchReport,
    FieldInfo,
    ObjectState,
    PlannedWindow,
    SourceObject,
    Window,
    WindowMeasure,
)
from dataflow.sources.versions import measure
from lakehouse.connect import connect

_MICROSECOND = timedelta(microseconds=1)


class MySQLSource:
    """A source whose objects are tables or views of one database."""

    def __init__(self, name: str, settings: SourceSettings) -> None:
        self.name = name
        self.settings = settings
        self.objects = settings.objects
        self.server = settings.section(MySQLSettings)
        self.lookback = timedelta(seconds=settings.lookback_seconds)

    def discover(self) -> list[SourceObject]:
        """List the declared objects with their columns, then the tables that no object reads."""
        doing = f"Listing the tables of {self.name}"
        with self._session(doing) as session:
            found = session.ask(
                "SELECT TABLE_NAME FROM information_schema.TABLES"
                f" WHERE TABLE_SCHEMA = {literal(self.server.database)} ORDER BY TABLE_NAME",
                doing=doing,
            )
            tables = {str(name) for (name,) in found}
            declared = [self._describe(session, name, tables) for name in self.objects]
        read = {one.remote or name for name, one in self.objects.items()}
        return declared + [SourceObject(self.name, name, is_declared=False) for name in sorted(tables - read)]

    def plan(
        self, object_name: str, state: ObjectState, *, since: datetime | None = None, until: datetime | None = None
    ) -> list[PlannedWindow]:
        """Plan one window, up to the server's clock less the replica's lag, cut into pieces where it is big.

        A second window has the rows that are stamped ahead and believed (`ahead_hours`).
        An object whose cursor is its key has no times: `since` reads it whole, and `until` has no effect. One without a
        cursor is always read whole, and not at all with `since`: of its past nothing is known. Before a first load the
        key is compared with the server's.
        Raises: ObjectHeldBack for a key that rows share, UsageError for an unknown object, ConfigurationError for an
        unsuitable cursor, SourceMissing,
        SourceUnavailable, SourceRefused, SourceIncomplete when the replica is too far behind.
        """
        self._declared(object_name)
        doing = f"Planning {self.name}.{object_name}"
        with self._session(doing) as session:
            table = self.table(session, object_name, doing)
            if state.watermark is None and since is None:
                require_unique(session, table, doing=doing)
            ready = readable_until(session, self.server, doing=doing)
            if not table.has_times:
                return [self._whole(table, ready)] if since is None else []
            ahead = None
            if table.follows_key:
                window = self._window_of_keys(session, table, state, since, doing)
            else:
                window = self._window_of_time(state, since, min(until or ready, ready))
                ahead = window_ahead(table.declared, ready, since=since, until=until)
            # Read at another time a window can hold other rows: no earlier staging replaces it.
            asked_at = read_clock(session, doing=doing)
            planned = []
            for one, moves_watermark in ((window, True), (ahead, False)):
                if one is None:
                    continue
                whole = PlannedWindow(self.name, object_name, one, (), "", follows_key=table.follows_key)
                whole = replace(whole, moves_watermark=moves_watermark, asked_at=asked_at)
                pieces = cut(session, table, whole, chunk_rows=self.server.chunk_rows, doing=doing)
                planned += [
                    replace(whole, window=each, keys=keys, fingerprint=_fingerprint(table, asked_at, f"{each} {keys}"))
                    for each, keys in pieces
                ]
        return planned

    def fetch(self, planned: PlannedWindow) -> Fetch:
        """Read a window in one snapshot, deletions by flag or time included."""
        self._declared(planned.object)
        report = FetchReport()
        return Fetch(self._read(planned, report), report)

    def deletions(self, planned: PlannedWindow) -> Iterator[pa.RecordBatch]:
        """Read the rows of a window that are marked as deleted. `missing_keys` finds unmarked deletions."""
        for batch in self.fetch(planned).batches:
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
        """Count and fingerprint the current records of a window, at the server where possible."""
        doing = f"Surveying {planned.subject}"
        with self._session(doing) as session, explained(doing, self.name, self.server):
            table = self.table(session, planned.object, doing)
            session.begin_snapshot(doing=doing)
            return survey(session, table, planned, doing=doing)

    def count_ahead(self, object_name: str) -> Ahead | None:
        """Count the rows that are stamped later than the server's clock, and than is believed."""
        doing = f"Counting the rows of {self.name}.{object_name} that are stamped ahead"
        with self._session(doing) as session, explained(doing, self.name, self.server):
            table = self.table(session, object_name, doing)
            return count_ahead(session, table, doing=doing) if table.has_times else None

    def missing_keys(self, object_name: str, known_keys: Iterator[str]) -> Iterator[str]:
        """Yield those of `known_keys` without a row in the table.

        Raises: SourceIncomplete when the replica is too far behind: rows that it does not have yet are not deleted.
        """
        doing = f"Looking for deleted rows of {self.name}.{object_name}"
        with self._session(doing) as session, explained(doing, self.name, self.server):
            table = self.table(session, object_name, doing)
            readable_until(session, self.server, doing=doing)
            yield from find_missing_keys(session, table, known_keys)

    def _whole(self, table: Table, ready: datetime) -> PlannedWindow:
        """Plan a table without a time of change: in one piece, since a record that is absent from it is deleted."""
        window, fingerprint = Window.of_all_time(), _fingerprint(table, ready, "whole")
        by_hash = by_hash_of(self.settings, table.declared)
        return PlannedWindow(self.name, table.object, window, (), fingerprint, asked_at=ready, by_hash=by_hash)

    def _session(self, doing: str) -> AbstractContextManager[Session]:
        return open_session(self.name, self.server, doing=doing)

    def _declared(self, object_name: str) -> ObjectSettings:
        if object_name not in self.objects:
            raise UsageError(
                f"The source {self.name} has no object {object_name}; it declares {', '.join(sorted(self.objects))}.",
                next_move="Name one of these, or declare it in dataflow.toml.",
            )
        return self.objects[object_name]

    def table(self, session: Session, object_name: str, doing: str) -> Table:
        """Describe the table of an object on a connection. Raises: SourceMissing."""
        declared = self._declared(object_name)
        name = declared.remote or object_name
        columns = read_columns(session, self.server, name, doing=doing)
        return Table(object_name, name, declared, columns, self.server.time_zone)

    def _describe(self, session: Session, object_name: str, tables: set[str]) -> SourceObject:
        name = self.objects[object_name].remote or object_name
        columns = self.table(session, object_name, "Describing").columns if name in tables else ()
        fields = tuple(FieldInfo(column.name, column.type) for column in columns)
        return SourceObject(self.name, object_name, is_declared=True, fields=fields)

    def _window_of_time(self, state: ObjectState, since: datetime | None, until: datetime) -> Window | None:
        start = BEGINNING
        if since is not None:
            start = since
        elif state.watermark is not None:
            start = max(state.watermark - self.lookback, BEGINNING)
        return Window(start, until) if start < until else None

    def _window_of_keys(
        self, session: Session, table: Table, state: ObjectState, since: datetime | None, doing: str
    ) -> Window | None:
        [(highest,)] = session.ask(f"SELECT MAX({quote(table.cursor.name)}) FROM {quote(table.name)}", doing=doing)
        if highest is None:
            return None
        try:
            until = version_of_key(int(highest)) + _MICROSECOND
        except OverflowError:
            raise ConfigurationError(
                f"{doing}: the keys of {table.name} are negative, and new ones cannot be followed upwards from 0.",
                next_move="Declare as cursor a column with the time of a row's last change.",
            ) from None
        start = BEGINNING
        if since is None and state.watermark is not None:
            start = resume_from(state.watermark, keys=self.server.lookback_keys, seconds=self.lookback.total_seconds())
        return Window(start, until) if start < until else None

    def _read(self, planned: PlannedWindow, report: FetchReport) -> Iterator[pa.RecordBatch]:
        doing = f"Reading {planned.subject}"
        with self._session(doing) as session, explained(doing, self.name, self.server):
            table = self.table(session, planned.object, doing)
            types = {column.name: column.type for column in table.columns}
            drift = find_drift(table.declared, types, types=types)
            report.drift = report.drift.merged(drift)
            defect = answer_drift(drift, table.declared, where=table.name)
            session.begin_snapshot(doing=doing)
            zero_dates: Counter[str] = Counter()
            query = rows_sql(table, planned, columns=table.columns)
            batches = read_rows(session, table, query, columns=table.columns, defect=defect, zero_dates=zero_dates)
            if not table.has_times:
                batches = stamped(batches, planned.asked_at or read_clock(session, doing=doing))
            for batch in batches:
                report.count(table.name, batch.num_rows)
                yield batch
            # The rows that the server counted while sending: a separate COUNT would read the window twice.
            [(promised,)] = session.ask("SELECT FOUND_ROWS()", doing=doing)
            report.promised = int(promised)
            if zero_dates:
                described = ", ".join(f"{count:,} in {name}" for name, count in sorted(zero_dates.items()))
                report.notes[table.name] = f"dates 0000-00-00 read as null: {described}"


def _fingerprint(table: Table, asked_at: datetime, piece: str) -> str:
    """Return the fingerprint of a query: its rows, their shape, and its time."""
    shaping = table.declared.model_dump_json(exclude={"checks", "personal", "json_schema"})
    described = "\n".join([shaping, table.name, table.zone, piece, asked_at.isoformat()])
    return hashlib.md5(described.encode(), usedforsecurity=False).hexdigest()
