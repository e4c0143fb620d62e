"""Signs of life: whoever fetches a share touches a file, and whoever waits for it sees that somebody is at it.

An orchestrator is told of a process that was killed, but not of a machine that is gone or cut off.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

# Often enough that minutes of silence are no slow disk, seldom enough to cost nothing.
_EVERY_SECONDS = 10.0


@contextmanager
def giving_signs(folder: Path, number: int) -> Iterator[None]:
    """Show, as long as the block runs, that somebody is at the share; the file says who."""
    sign, ended = _sign(folder, number), Event()
    write_whole(sign, {"host": socket.gethostname(), "pid": os.getpid()})

    def give() -> None:
        while not ended.wait(_EVERY_SECONDS):
            # A run that is over has taken its folder away: what is being fetched is of use to the next one.
            with suppress(OSError):
                os.utime(sign)

    thread = Thread(target=give, name="signs", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def last_sign(folder: Path, number: int | None = None) -> int:
    """When somebody was seen at the share, or at any one of the folder, last; to be compared with an earlier answer.

    Units: nanoseconds by the clock of the disk; 0 before the first.
    """
    times = [0]
    for file in folder.glob("sign-*.json") if number is None else [_sign(folder, number)]:
        with suppress(FileNotFoundError):
            times.append(file.stat().st_mtime_ns)
    return max(times)


def write_whole(file: Path, told: Any) -> None:
    """Write JSON that is seen whole or not at all. Raises: OSError where there is no such folder any more."""
    partial = file.with_name(f".{file.name}.{uuid4().hex}.part")
    partial.write_text(json.dumps(told, default=datetime.isoformat), encoding="utf-8")
    partial.replace(file)


def _sign(folder: Path, number: int) -> Path:
    return folder / f"sign-{number}.json"
