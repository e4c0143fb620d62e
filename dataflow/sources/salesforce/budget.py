"""The budget of the org's daily API calls: count them, and keep a reserve for other users."""

from __future__ import annotations

import math
import re
import threading
from dataclasses import dataclass

from dataflow.errors import SourceIncomplete
from dataflow.sources.calls import note_call, note_left

REST_PAGE_ROWS = 2_000
"""Rows of a REST page. Source: REST API guide, Query: at most 2,000 per page."""
JOB_CALLS = 8
"""Calls of a Bulk job besides its pages: create, and polls of its state (measured: 6 polls in 5 minutes)."""
PARALLEL_ADDRESSES = 5
"""Result addresses per answer of resultPages. Source: Bulk API 2.0 guide, Get Parallel Results."""

_USAGE = re.compile(r"api-usage=(\d+)/(\d+)")


@dataclass(frozen=True)
class Usage:
    """Calls of all clients of the org in the last 24 hours, and their limit."""

    used: int
    total: int


class Budget:
    """Track Sforce-Limit-Info, and stop before the reserve is used. Thread-safe."""

    def __init__(self, reserve_share: float, *, org: str = "") -> None:
        self._share = reserve_share
        self._org = org
        self._lock = threading.Lock()
        self._usage: Usage | None = None
        self._spent_since = 0

    @property
    def usage(self) -> Usage | None:
        """Return the latest usage; None before the first answer."""
        return self._usage

    def note(self, header: str | None) -> None:
        """Read the org's usage from an answer."""
        found = _USAGE.search(header or "")
        if found:
            with self._lock:
                self._usage = Usage(int(found[1]), int(found[2]))
                self._spent_since = 0
                note_left(self._org, self._left() or 0)

    def left(self) -> int | None:
        """Return how many calls this run can still make; None before the first answer."""
        with self._lock:
            return self._left()

    def spend(self, *, doing: str) -> None:
        """Count a call before it is made. Raises: SourceIncomplete when it would use the reserve."""
        with self._lock:
            left = self._left()
            if left is not None and left < 1:
                raise self._refusal(1, left, doing)
            self._spent_since += 1
        note_call()

    def require(self, calls: int, *, doing: str) -> None:
        """Refuse work that needs more calls than are left. Raises: SourceIncomplete."""
        with self._lock:
            left = self._left()
            if left is not None and left < calls:
                raise self._refusal(calls, left, doing)

    def _left(self) -> int | None:
        if self._usage is None:
            return None
        reserve = math.ceil(self._usage.total * self._share)
        return max(self._usage.total - reserve - self._usage.used - self._spent_since, 0)

    def _refusal(self, calls: int, left: int, doing: str) -> SourceIncomplete:
        used, total = (self._usage.used, self._usage.total) if self._usage else (0, 0)
        return SourceIncomplete(
            f"{doing} needs {calls:,} API calls and {left:,} are left: {used:,} of {total:,} are used and "
            f"{self._share:.0%} are reserved for others.",
            next_move="Run again when calls are available (each counts for 24 hours), or lower reserve_share.",
        )


def rest_calls(rows: int) -> int:
    """Return the number of calls of a REST query of this many rows."""
    return max(1, math.ceil(rows / REST_PAGE_ROWS))


def bulk_calls(rows: int, *, page_rows: int) -> int:
    """Return the maximum number of calls of a Bulk job of this many rows."""
    pages = max(1, math.ceil(rows / page_rows))
    return JOB_CALLS + pages + math.ceil(pages / PARALLEL_ADDRESSES)


def prefers_bulk(rows: int, *, bulk_from_rows: int, page_rows: int, left: int | None) -> bool:
    """Choose the API: Bulk for many rows, or where the calls left do not suffice for REST."""
    if rows >= bulk_from_rows:
        return True
    return left is not None and rest_calls(rows) > left and bulk_calls(rows, page_rows=page_rows) < rest_calls(rows)
