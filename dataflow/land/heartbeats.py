"""Heartbeats: a process that fetches a share touches a file, and the process that waits for the share reads its time.

An orchestrator learns that a process was killed, but not that a machine failed or lost its network.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

from lakehouse import LakeUnwritable

# Short, so that minutes without a heartbeat are not a slow disk; long enough that touching a file costs nothing.
_EVERY_SECONDS = 10.0


@contextmanager
def sending_heartbeats(
    folder: Path, number: int, *, push: Callable[[Iterable[str]], None] = lambda _: None
) -> Iterator[None]:
    """Touch the heartbeat file of a share while the block runs; the file names the host and the process.

    `push` sends files of the folder to where the waiting process reads them.
    """
    file, ended = _heartbeat(folder, number), Event()
    write_whole(file, {"host": socket.gethostname(), "pid": os.getpid()})
    push([file.name])

    def touch() -> None:
        while not ended.wait(_EVERY_SECONDS):
            # A run that ended has removed its folder; what is being fetched serves the next run.
            with suppress(OSError, LakeUnwritable):
                os.utime(file)
                push([file.name])

    thread = Thread(target=touch, name="heartbeats", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def last_heartbeat(folder: Path, number: int | None = None) -> int:
    """Return the time of the last heartbeat of a share, or of any share of the folder, to compare with an earlier one.

    Units: nanoseconds by the clock of the disk; 0 before the first.
    """
    times = [0]
    for file in folder.glob(f"{HEARTBEATS}*.json") if number is None else [_heartbeat(folder, number)]:
        with suppress(FileNotFoundError):
            times.append(file.stat().st_mtime_ns)
    return max(times)


def write_whole(file: Path, content: Any) -> None:
    """Write JSON so that a reader sees all of it or none. Raises: OSError where the folder no longer exists."""
    partial = file.with_name(f".{file.name}.{uuid4().hex}.part")
    partial.write_text(json.dumps(content, default=datetime.isoformat), encoding="utf-8")
    partial.replace(file)


HEARTBEATS = "heartbeat-"
"""How the names of heartbeat files begin."""


def _heartbeat(folder: Path, number: int) -> Path:
    return folder / f"{HEARTBEATS}{number}.json"
