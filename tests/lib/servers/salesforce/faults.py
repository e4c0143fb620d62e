"""Faults on demand: the next calls that match answer as Salesforce does on a bad day."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal[
    "expired_session",  # 401 INVALID_SESSION_ID, and the token is dead for good
    "concurrent_limit",  # 403 REQUEST_LIMIT_EXCEEDED that passes in a moment
    "daily_limit",  # 403 REQUEST_LIMIT_EXCEEDED until tomorrow
    "too_many",  # 429 with Retry-After
    "server_error",  # 500 UNKNOWN_EXCEPTION
    "unavailable",  # 503 SERVER_UNAVAILABLE
    "cut",  # the connection breaks in the middle of the body
    "drip",  # the body comes a byte at a time
    "duplicate_page",  # a page is answered with the rows of the one before it
    "bomb",  # a small packed body that unpacks to BOMB_BYTES of blanks, before the answer
    "lost_row",  # a page comes without its last row, and nothing else betrays it
]
HTTP_FAULTS: tuple[Kind, ...] = (
    "expired_session", "concurrent_limit", "too_many", "server_error", "unavailable", "cut", "duplicate_page",
)  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """`kind` on calls whose path contains `path` (a pattern), after `skip` that pass, `times` times."""

    kind: Kind
    path: str = ""
    skip: int = 0
    times: int = 1
    retry_after: float | None = None

    def matches(self, path: str) -> bool:
        return re.search(self.path, path) is not None


class Faults:
    """The faults that wait, in the order of their requests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []
        self.struck = 0

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._waiting += faults

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def take(self, path: str) -> Fault | None:
        """The fault that this call meets, if any; it is used up."""
        with self._lock:
            for place, fault in enumerate(self._waiting):
                if not fault.matches(path):
                    continue
                if fault.skip:
                    self._waiting[place] = replace(fault, skip=fault.skip - 1)
                    continue
                self._waiting[place : place + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                self.struck += 1
                return fault
            return None
