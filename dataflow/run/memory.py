"""Sample the peak of this process's resident memory in a thread."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import psutil

# 50 ms: DuckDB's peaks last hundreds of milliseconds; one sample costs about 20 µs.
_INTERVAL_SECONDS = 0.05


class PeakMemory:
    """Peak resident memory of this process since the last `restart`, in bytes."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="peak-memory", daemon=True)
        self.overall_bytes = 0
        self._since_restart = 0

    def __enter__(self) -> Self:
        self._take_sample()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def restart(self) -> None:
        """Start a new interval."""
        self._since_restart = 0
        self._take_sample()

    def peak_bytes(self) -> int:
        """Return the peak since `restart`."""
        self._take_sample()
        return self._since_restart

    def _sample(self) -> None:
        while not self._stop.wait(_INTERVAL_SECONDS):
            self._take_sample()

    def _take_sample(self) -> None:
        held = int(self._process.memory_info().rss)
        self._since_restart = max(self._since_restart, held)
        self.overall_bytes = max(self.overall_bytes, held)
