"""One writer at a time on a local lake: a lock the kernel frees at death, and a note saying who holds it."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from lakehouse.errors import LakeLocked, LakeUnwritable


class WriterLock:
    """The exclusive lock of a local catalogue.

    The note beside it is only words for people: a note left by a killed process means nothing, the lock decides.
    """

    def __init__(self, catalogue: Path) -> None:
        self._path = catalogue.with_name(catalogue.name + ".lock")
        self._note = catalogue.with_name(catalogue.name + ".holder.json")
        # fallback_to_soft=False: a lock file that outlives a killed process would stop every later run.
        # thread_local=False: the lake may be closed by another thread than the one that opened it.
        self._lock = FileLock(self._path, thread_local=False, fallback_to_soft=False)

    def acquire(self, purpose: str, *, wait_seconds: float = 0.0) -> None:
        """Take the lock, waiting at most `wait_seconds`.

        Raises: LakeLocked when another process holds it, LakeUnwritable when the folder cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=wait_seconds, poll_interval=0.02)
        except Timeout as error:
            raise LakeLocked(
                f"Opening the lake for {purpose}: {self.holder()} holds {self._path}; "
                f"waited {wait_seconds:g} s; run again when it is done"
            ) from error
        except OSError as error:
            raise LakeUnwritable(
                f"Opening the lake for {purpose}: cannot write {self._path} ({error.strerror}); "
                "give this user write access to the folder, then run again"
            ) from error
        try:
            self._write_note(purpose)
        except OSError as error:
            self.release()
            raise LakeUnwritable(
                f"Opening the lake for {purpose}: cannot write {self._note} ({error.strerror}); "
                "free space on that disk or give write access, then run again"
            ) from error

    def release(self) -> None:
        with suppress(OSError):
            self._note.unlink(missing_ok=True)
        self._lock.release()

    def holder(self) -> str:
        """Who holds the lock, as far as the note tells."""
        try:
            told = json.loads(self._note.read_text())
            return f"{told['purpose']} (pid {told['pid']} on {told['host']}, since {told['since']})"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"

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
