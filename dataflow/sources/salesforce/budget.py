"""The org's daily API calls: how many are left, and that a reserve stays for others."""

from __future__ import annotations

import math
import re
import threading
from dataclasses import dataclass

from dataflow.errors import SourceIncomplete

REST_PAGE_ROWS = 2_000
"""Rows of a REST page. Source: REST API guide, Query: at most 2,000 a page."""
JOB_CALLS = 8
"""Calls of a Bulk job beside its pages: create, and looks at it as it grows (measured: 6 looks in 5 minutes)."""
PARALLEL_ADDRESSES = 5
"""Result addresses per answer of resultPages. Source: Bulk API 2.0 guide, Get Parallel Results."""

_USAGE = re.compile(r"api-usage=(\d+)/(\d+)")


@dataclass(frozen=True)
class Usage:
    """Calls made in the last 24 hours by all clients of the org, and how many it has."""

    used: int
    total: int


class Budget:
    """Counts along with Sforce-Limit-Info, and stops before the reserve is touched. Safe for threads."""

    def __init__(self, reserve_share: float) -> None:
        self._share = reserve_share
        self._lock = threading.Lock()
        self._usage: Usage | None = None
        self._spent_since = 0

    @property
    def usage(self) -> Usage | None:
        """The last that was heard; None before the first answer."""
        return self._usage

    def note(self, header: str | None) -> None:
        """Take what an answer says of the org's calls."""
        found = _USAGE.search(header or "")
        if found:
            with self._lock:
                self._usage = Usage(int(found[1]), int(found[2]))
                self._spent_since = 0

    def left(self) -> int | None:
        """Calls this run may still make; None before the first answer."""
        with self._lock:
            return self._left()

    def spend(self, *, doing: str) -> None:
        """Count a call that is about to be made. Raises: SourceIncomplete when it would touch the reserve."""
        with self._lock:
            left = self._left()
            if left is not None and left < 1:
                raise self._refusal(1, left, doing)
            self._spent_since += 1

    def require(self, calls: int, *, doing: str) -> None:
        """Refuse work that needs more calls than are left, before its first. Raises: SourceIncomplete."""
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
            next_move="Run again when calls have come back (they count for 24 hours), or lower reserve_share.",
        )


def rest_calls(rows: int) -> int:
    """Calls that a REST query of so many rows takes."""
    return max(1, math.ceil(rows / REST_PAGE_ROWS))


def bulk_calls(rows: int, *, page_rows: int) -> int:
    """Calls that a Bulk job of so many rows takes, at most."""
    pages = max(1, math.ceil(rows / page_rows))
    return JOB_CALLS + pages + math.ceil(pages / PARALLEL_ADDRESSES)


def prefers_bulk(rows: int, *, bulk_from_rows: int, page_rows: int, left: int | None) -> bool:
    """Choose the API: Bulk for many rows, and for fewer where the calls left do not suffice for REST."""
    if rows >= bulk_from_rows:
        return True
    return left is not None and rest_calls(rows) > left and bulk_calls(rows, page_rows=page_rows) < rest_calls(rows)
