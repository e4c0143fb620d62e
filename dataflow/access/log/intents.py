"""Reads that have begun and not ended: one small file each, locked by its process.

It is durable before the first row is read, so that a process that is killed leaves it behind; the next one that uses
the log finds it without its lock and records the read as interrupted.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dataflow.access.log.entry import Entry

_FOLDER = "open"


class Intent:
    """The file of one read that has begun."""

    def __init__(self, folder: Path, entry: Entry) -> None:
        """Write the file durably. Raises: OSError."""
        # Text, not paths: each read makes these names, and pathlib took longer than the file.
        name = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._path, draft = f"{folder}/{_FOLDER}/{name}", f"{folder}/{_FOLDER}/.{name}"
        self._descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o660)
        try:
            # Locked before it has its name: another process would take it for that of a killed one.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            _write_all(self._descriptor, entry.encoded())
            os.fsync(self._descriptor)
            os.rename(draft, self._path)  # noqa: PTH104
        except BaseException:
            os.unlink(draft)  # noqa: PTH108
            os.close(self._descriptor)
            raise

    def done(self) -> None:
        """Remove the file: the log has the entry."""
        os.unlink(self._path)  # noqa: PTH108
        self.leave()

    def leave(self) -> None:
        """Release the file without removing it: the next process records the read."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def prepare_intents(folder: Path) -> None:
    """Make the folder of the reads that have begun. Raises: OSError."""
    (folder / _FOLDER).mkdir(mode=0o770, exist_ok=True)


@contextmanager
def abandoned(folder: Path) -> Iterator[list[tuple[Entry | None, Path]]]:
    """Yield the reads of processes that ended without recording them, locked; None for a file that is not an entry.

    The caller removes each file after the log has its entry.
    """
    found: list[tuple[Entry | None, Path]] = []
    held: list[int] = []
    try:
        for name in sorted(os.listdir(folder / _FOLDER)):  # noqa: PTH208
            path = folder / _FOLDER / name
            with suppress(OSError):
                descriptor = os.open(path, os.O_RDWR)
                held.append(descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(descriptor).st_nlink:
                    found.append((_entry_in(path) if not path.name.startswith(".") else None, path))
        yield found
    finally:
        for descriptor in held:
            os.close(descriptor)


def _entry_in(path: Path) -> Entry | None:
    try:
        return Entry.decoded(path.read_bytes())
    except ValueError:
        return None


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
