"""Read one window of one object: choose the API, shape the rows, add the deletions that only the log has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dataflow.errors import SourceIncomplete
from dataflow.settings import ObjectSettings, SalesforceSettings
from dataflow.sources.drift import answer_drift
from dataflow.sources.protocol import BEGINNING, FetchReport, PlannedWindow
from dataflow.sources.rows import Rows, parse_time
from dataflow.sources.salesforce import budget, deletions, soql
from dataflow.sources.salesforce.bulk import Job
from dataflow.sources.salesforce.connection import Connection
from dataflow.sources.salesforce.fields import DELETED_FLAG, Columns, choose_columns, object_drift
from dataflow.sources.salesforce.rest import read_pages

LONGEST_QUERY = 12_000
"""Characters of a query that fit into an address (Salesforce accepts 16,384 in total)."""

Pages = Iterator[Sequence[Sequence[Any]]]


@dataclass(frozen=True)
class Reading:
    """Queries over one object, each by the API that suits its number of rows."""

    connection: Connection
    settings: SalesforceSettings
    remote: str
    subject: str

    def rows(self, columns: Columns, where: str, report: FetchReport, *, expected: int | None) -> Pages:
        """Yield pages of rows. `expected` None: at most a page, and the first page has the number.

        Raises: SourceIncomplete when the calls left suffice for neither API.
        """
        text = soql.select(columns.paths, self.remote, where=where)
        if len(text) > LONGEST_QUERY or (expected is not None and self._prefers_bulk(expected)):
            yield from self._bulk(text, columns, report, expected or 0)
            return
        first = self.connection.query(text, with_deleted=True)
        if first.next_address and self._prefers_bulk(first.total):
            yield from self._bulk(text, columns, report, first.total)
            return
        report.promised = first.total
        # Salesforce makes pages of wide rows smaller: the first page shows their size.
        pages = math.ceil(first.total / max(len(first.records), 1))
        self.connection.session.budget.require(pages - 1, doing=f"Reading {self.subject}")
        yield from read_pages(self.connection, first, columns, name=self.subject)

    def keys(self) -> Iterator[list[str]]:
        """Yield the keys of all records, the recycle bin included. Raises: SourceIncomplete when some are missing."""
        columns = Columns(("Id",), ('"Id":',), (str,), 0, 0, None)
        report = FetchReport()
        expected = self.connection.count(soql.select([], self.remote), with_deleted=True)
        found = 0
        for page in self.rows(columns, "", report, expected=expected):
            found += len(page)
            yield [str(values[0]) for values in page]
        if report.promised is not None and found < report.promised:
            raise SourceIncomplete(
                f"Listing the keys of {self.subject}: {report.promised} were promised and {found} received.",
                next_move="Run again; no deletion was derived from them.",
            )

    def _bulk(self, text: str, columns: Columns, report: FetchReport, rows: int) -> Pages:
        calls = budget.bulk_calls(rows, page_rows=self.settings.bulk_page_rows)
        self.connection.session.budget.require(calls, doing=f"Reading {self.subject}")
        yield from Job(self.connection, name=self.subject).read(text, columns, report)

    def _prefers_bulk(self, rows: int) -> bool:
        return budget.prefers_bulk(
            rows,
            bulk_from_rows=self.settings.bulk_from_rows,
            page_rows=self.settings.bulk_page_rows,
            left=self.connection.session.budget.left(),
        )


class WindowReader:
    """Turn one window into batches, and keep its report."""

    def __init__(
        self,
        reading: Reading,
        declared: ObjectSettings,
        planned: PlannedWindow,
        report: FetchReport,
        *,
        only_deleted: bool = False,
    ) -> None:
        self._reading = reading
        self._declared = declared
        self._planned = planned
        self._report = report
        self._only_deleted = only_deleted

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield rows in the order received, then tombstones. Raises: as `Source.fetch`."""
        described = self._reading.connection.described(self._reading.remote)
        columns = choose_columns(self._declared, described, name=self._reading.subject)
        drift = object_drift(self._declared, described)
        self._report.drift = drift
        defect = answer_drift(drift, self._declared, where=self._reading.subject)
        # The log first: a record deleted after that is still among the rows, marked.
        tombstones = self._tombstones(bool(described.get("replicateable")))
        rows = Rows()
        for page in self._reading.rows(columns, self._where(columns), self._report, expected=self._expected()):
            for values in page:
                tombstones.pop(self._add(rows, columns, values, defect), None)
                if rows.is_full:
                    yield rows.take()
            self._report.count(self._reading.remote, len(page))
        for key, one in tombstones.items():
            rows.add(one.payload, f"{self._reading.remote} deleted", key=key, changed_at=one.at, is_deleted=True)
        self._report.count(self._reading.remote, len(tombstones))
        if self._report.promised is not None:
            self._report.promised += len(tombstones)
        if len(rows):
            yield rows.take()

    def _add(self, rows: Rows, columns: Columns, values: Sequence[Any], defect: str | None) -> str:
        key = str(values[columns.key])
        gone = columns.deleted is not None and values[columns.deleted] in (True, "true")
        rows.add(
            columns.payload(values),
            f"{self._reading.remote} {key}",
            key=key,
            changed_at=parse_time(values[columns.cursor]),
            is_deleted=gone,
            defect=defect,
        )
        return key

    def _where(self, columns: Columns) -> str:
        where = soql.within(self._planned.window, self._declared.cursor)
        if self._only_deleted and columns.deleted is not None:
            where += f"{' AND ' if where else ''}{DELETED_FLAG} = true"
        return where

    def _tombstones(self, has_log: bool) -> dict[str, deletions.Tombstone]:
        if not has_log:
            return {}
        connection, window = self._reading.connection, self._planned.window
        return deletions.read_log(connection, self._reading.remote, window, self._report)

    def _expected(self) -> int | None:
        """Return the rows that planning counted; a first load planned in another process is counted now."""
        window, remote = self._planned.window, self._reading.remote
        known = self._reading.connection.expected.get((remote, window))
        if known is None and window.start == BEGINNING:
            where = soql.within(window, self._declared.cursor)
            return self._reading.connection.count(soql.select([], remote, where=where), with_deleted=True)
        return known
