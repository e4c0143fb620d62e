"""Find deletions: those in the log that getDeleted reads, and unrecorded ones by their keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from dataflow.errors import SourceMalformed
from dataflow.sources.protocol import BEGINNING, FetchReport, Window
from dataflow.sources.rows import parse_time
from dataflow.sources.salesforce.connection import Connection
from lakehouse.connect import connect

LOG_DAYS = 15
"""How far back getDeleted reaches. Source: REST API guide, sObject Get Deleted."""
_SHORTEST = timedelta(minutes=1)
_KEYS_AT_ONCE = 16_384


@dataclass(frozen=True)
class Tombstone:
    """One entry of the log: when a record was deleted, and the entry as JSON text."""

    at: datetime
    payload: str


def read_log(connection: Connection, name: str, window: Window, report: FetchReport) -> dict[str, Tombstone]:
    """Read the records deleted within the window, by Id, as far back as the log reaches.

    The report notes a window that begins earlier; the comparison of keys finds older or purged deletions.
    Raises: SourceMissing, SourceMalformed, SourceUnavailable.
    """
    now = connection.now()
    reach = now - timedelta(days=LOG_DAYS)
    until = _second(min(window.until, now))
    start = max(_second(window.start), _second(reach) + timedelta(seconds=60))
    if until <= start:
        return {}
    found: dict[str, Tombstone] = {}
    earliest: datetime | None = None
    for one in _ask(connection, name, min(start, until - _SHORTEST), until):
        begins = parse_time(one["earliestDateAvailable"])
        earliest = max(filter(None, (earliest, begins)), default=None)
        found |= _tombstones(one["deletedRecords"], window)
    reached = max(start, earliest or start)
    if window.start < reached and window.start > BEGINNING:
        report.notes[name] = f"the log of deletions reaches back to {reached:%Y-%m-%d %H:%M} only"
    return found


def _ask(connection: Connection, name: str, start: datetime, until: datetime) -> Iterator[dict[str, object]]:
    try:
        answer = connection.deleted(name, start, until)
    except SourceMalformed as error:
        middle = _second(start + (until - start) / 2)
        if "EXCEEDED_ID_LIMIT" not in str(error) or until - start < 2 * _SHORTEST:
            raise
        yield from _ask(connection, name, start, middle)
        yield from _ask(connection, name, middle, until)
        return
    yield dict(answer)


def _tombstones(lines: object, window: Window) -> dict[str, Tombstone]:
    found = {}
    for line in lines if isinstance(lines, list) else []:
        at = parse_time(line["deletedDate"])
        # The log is asked for at least a minute, so it can answer for more than the window.
        if at is not None and window.start <= at < window.until:
            payload = json.dumps({"id": line["id"], "deletedDate": line["deletedDate"]}, separators=(",", ":"))
            found[str(line["id"])] = Tombstone(at, payload)
    return found


def _second(timestamp: datetime) -> datetime:
    return timestamp.replace(microsecond=0)


def missing_keys(known: Iterator[str], held: Callable[[], Iterable[list[str]]]) -> Iterator[str]:
    """Yield those of `known` that are not among the keys the source holds.

    The source's keys go into a table that DuckDB can spill to disk, since ten million Python objects would not fit.
    """
    con = connect(threads=1)
    try:
        con.execute("CREATE TEMP TABLE held (key VARCHAR)")
        for keys in held():
            con.register("page", pa.table({"key": pa.array(keys, pa.string())}))
            con.execute("INSERT INTO held SELECT key FROM page")
            con.unregister("page")
        for keys in _chunks(known):
            con.register("page", pa.table({"key": pa.array(keys, pa.string())}))
            gone = con.execute("SELECT key FROM page WHERE key NOT IN (SELECT key FROM held) ORDER BY key").fetchall()
            con.unregister("page")
            yield from (str(key) for (key,) in gone)
    finally:
        con.close()


def _chunks(keys: Iterator[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for key in keys:
        chunk.append(key)
        if len(chunk) >= _KEYS_AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
