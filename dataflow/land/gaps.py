"""Gaps: windows that raw does not hold whole, recorded from the run that finds one until all of it is landed.

A gap is opened when a window cannot be fetched, has fewer rows than its source promised, lacks rows by the nightly
check, or was read without a field that is there again. The next run reads it again; a commit that lands all of it
closes it.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

import duckdb
import pyarrow as pa

from dataflow.errors import ObjectHeldBack
from dataflow.sources import KeyRange, PlannedWindow, Window
from dataflow.tables.ops import GAP
from dataflow.workspace.staging import Run
from lakehouse import LakeView
from lakehouse.table import column_list, literal

Reason = Literal["unplanned", "failed", "short", "missing", "absent", "key"]
"""The object could not be planned; the window failed; it was shorter than promised; the check found rows missing; a
field that the source has again was absent from it; rows of the window share a key, so that nothing is published."""


@dataclass(frozen=True)
class Gap:
    """A window that raw does not hold whole; `detail` is what was found, without values."""

    source: str
    object: str
    window: Window
    reason: Reason
    detail: str
    keys: str = ""
    is_of_files: bool = False
    missing_count: int | None = None

    @property
    def gap_id(self) -> str:
        """Return the id, equal in all runs that find the gap; an unplanned object differs from its widest window."""
        ends = (self.window.start.isoformat(), self.window.until.isoformat())
        named = "|".join([self.source, self.object, *ends, self.keys, str(self.reason == "unplanned")])
        return hashlib.md5(named.encode(), usedforsecurity=False).hexdigest()

    @property
    def subject(self) -> str:
        return f"{self.source}.{self.object}" if self.reason == "unplanned" else window_of_gap(self).subject


@dataclass(frozen=True)
class Failure:
    """A window that could not be fetched or landed; without `planned`: an object that could not be planned."""

    source: str
    object: str
    error: Exception
    planned: PlannedWindow | None = None

    @property
    def gap(self) -> Gap:
        """Return the gap that the failure leaves."""
        if self.planned is None:
            return Gap(self.source, self.object, Window.of_all_time(), "unplanned", str(self.error))
        reason: Reason = "key" if isinstance(self.error, ObjectHeldBack) else "failed"
        return gap_of(self.planned, reason=reason, detail=str(self.error))

    @property
    def subject(self) -> str:
        return self.planned.subject if self.planned else f"{self.source}.{self.object}"


def gap_of(planned: PlannedWindow, *, reason: Reason, detail: str, missing_count: int | None = None) -> Gap:
    """Return the gap that a planned window leaves."""
    return Gap(
        planned.source,
        planned.object,
        planned.window,
        reason,
        detail,
        keys=keys_text(planned),
        is_of_files=bool(planned.parts),
        missing_count=missing_count,
    )


def window_of_gap(gap: Gap) -> PlannedWindow:
    """Return the gap's window to fetch again; a source that answers queries needs no more than this."""
    keys = KeyRange(**json.loads(gap.keys)) if gap.keys else None
    return PlannedWindow(gap.source, gap.object, gap.window, (), gap.gap_id, keys=keys)


def keys_text(planned: PlannedWindow) -> str:
    """Return the recorded form of the range of keys that limits a window; empty: all keys."""
    return json.dumps(asdict(planned.keys), sort_keys=True) if planned.keys else ""


def read_open_gaps(lake: LakeView) -> dict[str, Gap]:
    """Read the open gaps of a lake, by id; a lake older than the table of gaps has none."""
    return _read(lake.con) if GAP.full_name in set(lake.tables()) else {}


def covers(windows: Iterable[PlannedWindow], gap: Gap) -> bool:
    """Return whether these windows of the gap's object together cover the gap."""
    wanted = window_of_gap(gap).keys or KeyRange()
    by_window = defaultdict(list)
    for planned in windows:
        by_window[planned.window].append(planned.keys or KeyRange())
    reached = gap.window.start
    for interval in sorted(window for window, ranges in by_window.items() if _cover_keys(ranges, wanted)):
        if interval.start > reached:
            break
        reached = max(reached, interval.until)
    return reached >= gap.window.until


def _cover_keys(ranges: Iterable[KeyRange], wanted: KeyRange) -> bool:
    """Return whether ranges of keys together cover the wanted range."""
    lowest, highest = float("-inf"), float("inf")
    reached = lowest if wanted.start is None else wanted.start
    for start, until in sorted(
        (lowest if r.start is None else r.start, highest if r.until is None else r.until) for r in ranges
    ):
        if start > reached:
            break
        reached = max(reached, until)
    return reached >= (highest if wanted.until is None else wanted.until)


def _holds(wide: Gap, narrow: Gap) -> bool:
    """Return whether a gap contains another gap of the same object."""
    is_same = (wide.source, wide.object, wide.keys) == (narrow.source, narrow.object, narrow.keys)
    are_windows = "unplanned" not in (wide.reason, narrow.reason)
    starts, ends = wide.window.start <= narrow.window.start, narrow.window.until <= wide.window.until
    return is_same and are_windows and starts and ends


class GapBook:
    """The changes that one commit makes to the gaps, collected on its connection and written at its end."""

    def __init__(self, con: duckdb.DuckDBPyConnection, run: Run) -> None:
        self._con = con
        self._run = run
        self._open = _read(con)
        self._found: dict[str, Gap] = {}
        self._closed: set[str] = set()
        self._absorbed: dict[str, str] = {}

    def open(self, gap: Gap) -> None:
        """Record a gap, or that it is still open.

        A gap that contains an older one replaces it: a source that is down for days fails in a window that grows with
        each run.
        """
        for older_id, older in list(self._open.items()):
            if older_id != gap.gap_id and _holds(gap, older):
                self._absorbed[older_id] = gap.gap_id
                self._found.pop(older_id, None)
                del self._open[older_id]
        self._found[gap.gap_id] = gap
        self._open[gap.gap_id] = gap

    def close(self, is_closed: Callable[[Gap], bool]) -> None:
        """Close the open gaps for which `is_over` holds, except those that this commit found."""
        for gap_id, gap in list(self._open.items()):
            if gap_id not in self._found and is_closed(gap):
                self._closed.add(gap_id)
                del self._open[gap_id]

    def ceiling(self, source: str, object_name: str, *, watermark: datetime | None) -> datetime | None:
        """Return the time that an object's watermark must not pass: the start of its first gap that ends after it.

        A gap that ends before the watermark was found later, by a check; it is read again by itself and does not limit
        the watermark. Nor does a gap of a range of keys: in a first load it would defer all ranges that were landed.
        """
        starts = [
            gap.window.start
            for gap in self._open.values()
            if (gap.source, gap.object) == (source, object_name)
            and gap.reason != "unplanned"
            and not gap.keys
            and (watermark is None or gap.window.until > watermark)
        ]
        return min(starts, default=None)

    def write(self) -> None:
        """Write the opened and closed gaps."""
        stored = self._stored({*self._found, *self._closed, *self._absorbed})
        rows = [self._opened_row(gap, self._before(gap_id, stored)) for gap_id, gap in self._found.items()]
        closing = {"status": "closed", "closed_at": self._run.now, "_run_id": self._run.run_id}
        rows += [{**stored[gap_id], **closing} for gap_id in self._closed]
        if stored:
            old = ", ".join(map(literal, sorted(stored)))
            self._con.execute(f"DELETE FROM {GAP.in_lake} WHERE gap_id IN ({old})")
        if rows:
            self._con.register("gap_rows", pa.Table.from_pylist(rows))
            self._con.execute(f"INSERT INTO {GAP.in_lake} BY NAME SELECT * FROM gap_rows")
            self._con.unregister("gap_rows")

    def _before(self, gap_id: str, stored: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return the open rows that a gap continues: its own, and those of the gaps it replaces."""
        ids = [gap_id, *(older for older, newer in self._absorbed.items() if newer == gap_id)]
        return [stored[one] for one in ids if one in stored and stored[one]["status"] == "open"]

    def _opened_row(self, gap: Gap, before: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {
            "gap_id": gap.gap_id,
            "source": gap.source,
            "object": gap.object,
            "window_from": gap.window.start,
            "window_until": gap.window.until,
            "keys": gap.keys,
            "is_of_files": gap.is_of_files,
            "reason": gap.reason,
            "detail": gap.detail,
            "missing_count": gap.missing_count,
            "status": "open",
            "attempts": max((row["attempts"] for row in before), default=0) + 1,
            "opened_at": min((row["opened_at"] for row in before), default=self._run.now),
            "last_seen_at": self._run.now,
            "closed_at": None,
            "_run_id": self._run.run_id,
        }

    def _stored(self, gap_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        if not gap_ids:
            return {}
        found = self._con.execute(
            f"SELECT {column_list(GAP.column_names)} FROM {GAP.in_lake}"
            f" WHERE gap_id IN ({', '.join(map(literal, sorted(gap_ids)))})"
        ).fetchall()
        return {row[0]: dict(zip(GAP.column_names, row, strict=True)) for row in found}


def _read(con: duckdb.DuckDBPyConnection) -> dict[str, Gap]:
    found = con.execute(
        "SELECT source, object, window_from, window_until, reason, detail, keys, is_of_files, missing_count"
        f" FROM {GAP.in_lake} WHERE status = 'open' ORDER BY source, object, window_from"
    ).fetchall()
    gaps = [Gap(row[0], row[1], Window(row[2], row[3]), *row[4:]) for row in found]
    return {gap.gap_id: gap for gap in gaps}
