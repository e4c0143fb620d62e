"""A lock file that the kernel frees when the process ends, and a note beside it with its holder."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from lakehouse.errors import LakeLocked, LakeUnwritable


class FileLease:
    """One exclusive lock beside a local catalogue.

    The note is for messages only: the lock decides, and a killed process leaves an outdated note.
    """

    def __init__(self, catalogue: Path, name: str) -> None:
        self._path = catalogue.with_name(f"{catalogue.name}.{name}")
        self._note = catalogue.with_name(f"{catalogue.name}.{name}.json")
        # fallback_to_soft=False: a soft lock of a killed process would stop every later run.
        # thread_local=False: another thread than the one that opened the lake can close it.
        self._lock = FileLock(self._path, thread_local=False, fallback_to_soft=False)

    @contextmanager
    def held(self, purpose: str, *, wait_seconds: float = 0.0) -> Iterator[None]:
        """Hold the lock in the block, waiting for it at most `wait_seconds`.

        Raises: LakeLocked when another holds it, LakeUnwritable when the folder cannot be written.
        """
        self._acquire(purpose, wait_seconds)
        try:
            with _explaining(purpose, self._note):
                self._write_note(purpose)
            yield
        finally:
            with suppress(OSError):
                self._note.unlink(missing_ok=True)
            self._lock.release()

    def holder(self) -> str:
        """Return the holder of the lock according to the note."""
        try:
            holder = json.loads(self._note.read_text())
            return f"{holder['purpose']} (pid {holder['pid']} on {holder['host']}, since {holder['since']})"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"

    def _acquire(self, purpose: str, wait_seconds: float) -> None:
        with _explaining(purpose, self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=wait_seconds, poll_interval=0.02)
            except Timeout as error:
                raise LakeLocked(
                    f"Opening the lake for {purpose}: {self.holder()} holds {self._path}; "
                    f"waited {wait_seconds:g} s; run again when it is done"
                ) from error

    def _write_note(self, purpose: str) -> None:
        note = {
            "purpose": purpose,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        draft = self._note.with_suffix(".tmp")
        draft.write_text(json.dumps(note))
        draft.replace(self._note)


@contextmanager
def _explaining(purpose: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LakeUnwritable(
            f"Opening the lake for {purpose}: cannot write {path} ({error.strerror}); "
            "free space on that disk or give this user write access, then run again"
        ) from error
