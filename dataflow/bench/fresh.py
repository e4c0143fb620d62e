"""Work in a process of its own, so that its seconds and its peak of memory are its own."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")


def in_fresh_process(work: Callable[[], Result]) -> Result:
    """Do it in a new Python and return what it returns. Raises: what it raises."""
    # Spawned: a fork would inherit this process's memory, and its peak.
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work).result()


def peak_rss_bytes() -> int:
    """The most memory that this process held so far."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Not ru_maxrss: Linux begins it with what the parent held when it started this process.
        [line] = [line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
