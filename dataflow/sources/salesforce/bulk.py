"""Read a window by Bulk API 2.0: a query job whose result pages are fetched in parallel and yielded in order."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.csv
import requests

from dataflow.errors import SourceMalformed, SourceUnavailable
from dataflow.sources.protocol import FetchReport
from dataflow.sources.salesforce.connection import Connection
from dataflow.sources.salesforce.fields import Columns

PARALLEL_FROM_VERSION = 58.0
"""API version with resultPages. Source: Bulk API 2.0 guide, Get Parallel Results for a Query Job."""
_TRIES = 3
_LONGEST_LOOK_SECONDS = 30.0
_JOB_SECONDS = 6 * 3600.0
_UNFINISHED = frozenset({"UploadComplete", "InProgress", "Open"})


class Job:
    """One query job. All calls use the connection's session, which renews an expired one."""

    def __init__(self, connection: Connection, *, name: str) -> None:
        self._connection = connection
        self._name = name
        self._address = f"{connection.org.bulk2_url}query"
        self.id = ""
        self.rows = 0

    def read(self, text: str, columns: Columns, report: FetchReport) -> Iterator[Sequence[Sequence[Any]]]:
        """Run a query over all rows, deleted ones included, and yield its pages; `downloads` pages are in memory.

        Raises: SourceUnavailable when the job fails, SourceMalformed.
        """
        wish = {"operation": "queryAll", "query": text, "columnDelimiter": "COMMA", "lineEnding": "LF"}
        self.id = str(self._connection.session.post(self._address, json=wish).json()["id"])
        self._address += f"/{self.id}"
        state = "UploadComplete"
        try:
            state = self._wait()
            report.promised = self.rows
            yield from self._pages(columns)
        finally:
            if state in _UNFINISHED:
                self._abort()

    def _wait(self) -> str:
        pause, ends = self._connection.settings.backoff_seconds, time.monotonic() + _JOB_SECONDS
        while True:
            job = self._connection.session.get(self._address).json()
            state = str(job["state"])
            if state == "JobComplete":
                self.rows = int(job["numberRecordsProcessed"])
                return state
            if state not in _UNFINISHED or time.monotonic() > ends:
                raise SourceUnavailable(
                    f"Reading {self._name}: Bulk job {self.id} is {state} and has no rows.",
                    next_move="Run again; if it fails again, look at the job in Setup, Bulk Data Load Jobs.",
                )
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_LOOK_SECONDS)

    def _abort(self) -> None:
        """Delete the job to free its storage; a failure here must not hide the original error."""
        with suppress(Exception):
            self._connection.session.patch(self._address, json={"state": "Aborted"})

    def _pages(self, columns: Columns) -> Iterator[Sequence[Sequence[Any]]]:
        seen: set[bytes] = set()
        for address, page in self._downloads():
            for _ in range(_TRIES):
                digest = hashlib.md5(page.content, usedforsecurity=False).digest()
                rows = _rows(page, columns, self._name)
                if digest not in seen and len(rows) == int(page.headers.get("Sforce-NumberOfRecords", len(rows))):
                    break
                page = self._connection.session.get(address)
            else:
                raise SourceUnavailable(
                    f"Reading {self._name}: a result page of Bulk job {self.id} repeats another, asked {_TRIES} times.",
                    next_move="Run again.",
                )
            seen.add(digest)
            yield rows

    def _downloads(self) -> Iterator[tuple[str, requests.Response]]:
        if float(self._connection.settings.api_version) < PARALLEL_FROM_VERSION:
            yield from self._one_by_one()
            return
        get = self._connection.session.get
        waiting: deque[tuple[str, Future[requests.Response]]] = deque()
        with ThreadPoolExecutor(self._connection.settings.downloads, thread_name_prefix="bulk") as pool:
            try:
                for address in self._addresses():
                    waiting.append((address, pool.submit(get, address)))
                    if len(waiting) >= self._connection.settings.downloads:
                        ready, page = waiting.popleft()
                        yield ready, page.result()
                while waiting:
                    ready, page = waiting.popleft()
                    yield ready, page.result()
            finally:
                for _, page in waiting:
                    page.cancel()

    def _addresses(self) -> Iterator[str]:
        """Yield the addresses of all result pages, five per answer."""
        following = f"{self._address}/resultPages"
        while following:
            answer: Mapping[str, Any] = json.loads(self._connection.session.get(following).text)
            for page in answer["resultPages"]:
                yield self._connection.address(str(page["resultUrl"]))
            # The guide's text and its example have different names for this field.
            path = "" if answer["done"] else answer.get("nextRecordsUrl") or answer.get("nextRecordUrl") or ""
            following = self._connection.address(path) if path else ""

    def _one_by_one(self) -> Iterator[tuple[str, requests.Response]]:
        """Yield the pages of older API versions: each names the next, so they are fetched one by one."""
        address = f"{self._address}/results?maxRecords={self._connection.settings.bulk_page_rows}"
        following = address
        while True:
            page = self._connection.session.get(following)
            yield following, page
            locator = page.headers.get("Sforce-Locator", "null")
            if locator in ("", "null"):
                return
            following = f"{address}&locator={locator}"


def _rows(page: requests.Response, columns: Columns, name: str) -> list[tuple[str, ...]]:
    """Return the cells of a page in the order of the columns, all as text; describe has their types."""
    body = page.content
    try:
        table = pa.csv.read_csv(
            io.BytesIO(body),
            read_options=pa.csv.ReadOptions(use_threads=False, block_size=len(body) + 1),
            parse_options=pa.csv.ParseOptions(newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(columns.paths, pa.string()),
                include_columns=columns.paths,
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise SourceMalformed(
            f"Reading {name}: a Bulk result page is not the CSV that was asked for ({type(error).__name__}).",
            next_move="Run again; if it fails again, raise bulk_from_rows so that REST is used.",
        ) from None
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
