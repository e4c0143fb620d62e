"""The org's clock: it stands still until it is moved, or follows the real one from wherever it was set."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class Clock:
    """Without `start` it runs; with it, it stands at `start` until `advance` moves it."""

    def __init__(self, start: datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._stands_at = start
        self._ahead = timedelta()

    def now(self) -> datetime:
        with self._lock:
            return self._stands_at if self._stands_at is not None else datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> datetime:
        """Move it on; what was waiting to be committed by then is committed."""
        with self._lock:
            if self._stands_at is not None:
                self._stands_at += timedelta(seconds=seconds)
            else:
                self._ahead += timedelta(seconds=seconds)
        return self.now()


def api_time(timestamp: datetime) -> str:
    """As the REST API writes times; Salesforce keeps whole seconds in its system fields."""
    return f"{timestamp.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{timestamp.microsecond // 1000:03d}+0000"
