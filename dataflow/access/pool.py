"""Keep locked connections open between the reads of one process: opening a lake takes 0.3 s of processor time.

A kept connection is of one role and one version of what the role reads (a file's identity, the role's declaration): a
reader of another version gets a new one, so no read is of an older publication or of two. Each read has a cursor of its
own, which takes its temporary tables with it.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from duckdb import DuckDBPyConnection

from dataflow.access.remembering import Answers, RememberingConnection
from lakehouse.query import fetch_int
from lakehouse.table import DATABASE, literal

Opened = Callable[[Path], DuckDBPyConnection]
"""Opens a locked connection that spills into a folder."""

# Keys of buckets and servers are read when a connection opens, and AWS renews them 15 minutes before they end.
_MOST_SECONDS = 600.0
# A replaced catalogue or mart may hold what was erased since: its file is closed also while no reader asks.
_IDLE_SECONDS = 300.0
_SWEEP_SECONDS = 15.0


def file_identity(file: Path) -> Hashable:
    """Return what differs between a file and one that replaced it; None where there is none."""
    with suppress(OSError):
        found = file.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size
    return None


def _snapshot(con: DuckDBPyConnection) -> int:
    return fetch_int(con, f"SELECT id FROM ducklake_current_snapshot({literal(DATABASE)})")


@dataclass(eq=False)
class _Kept:
    """A connection, the version that it reads, and how many reads use it."""

    con: DuckDBPyConnection
    spill: tempfile.TemporaryDirectory[str]
    version: Hashable
    opened_at: float
    used_at: float
    reads: int = 0
    answers: Answers = field(default_factory=Answers)
    answered_at: int | None = None

    def answers_at(self, snapshot: int | None) -> Answers:
        """Return what is remembered of a snapshot; what was of another one is forgotten."""
        if snapshot != self.answered_at:
            self.answers, self.answered_at = Answers(), snapshot
        return self.answers

    def close(self) -> None:
        self.con.close()
        self.spill.cleanup()


@dataclass
class ConnectionPool:
    """The kept connections of one process, at most one for each name that is new enough to be given out."""

    _kept: dict[str, _Kept] = field(default_factory=dict)
    _retired: list[_Kept] = field(default_factory=list)
    _opening: dict[str, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)
    _sweeper: threading.Thread | None = None

    @contextmanager
    def lease(self, name: str, version: Hashable, opened: Opened) -> Iterator[DuckDBPyConnection]:
        """Yield a cursor of the connection kept under a name for this version; open it first where there is none.

        All statements of a lease read one snapshot. A connection without a version, of a catalogue on a server, shows
        each commit: what is remembered is then of the snapshot that a lease reads.
        Raises: what `opened` raises.
        """
        kept = self._take(name, version, opened)
        try:
            with kept.con.cursor() as cursor:
                # A cursor does not inherit the default database.
                cursor.execute(f"USE {DATABASE}")
                cursor.begin()
                try:
                    answers = kept.answers_at(_snapshot(cursor) if version is None else None)
                    yield cast(DuckDBPyConnection, RememberingConnection(cursor, answers))
                finally:
                    cursor.rollback()
        finally:
            self._give_back(kept)

    def close(self) -> None:
        """Close all connections; of those that are being read, when their read ends."""
        self._ended.set()
        with self._lock:
            self._retired += self._kept.values()
            self._kept.clear()
        self._close_retired()

    def sweep(self, *, now: float) -> None:
        """Close the connections that are unused for a while."""
        with self._lock:
            for name, kept in list(self._kept.items()):
                if not kept.reads and now - kept.used_at > _IDLE_SECONDS:
                    self._retired.append(self._kept.pop(name))
        self._close_retired()

    def _take(self, name: str, version: Hashable, opened: Opened) -> _Kept:
        with self._lock:
            opening = self._opening.setdefault(name, threading.Lock())
        with opening:
            if (kept := self._fitting(name, version)) is None:
                kept = self._open(name, version, opened)
        self._close_retired()
        return kept

    def _fitting(self, name: str, version: Hashable) -> _Kept | None:
        now = time.monotonic()
        with self._lock:
            kept = self._kept.get(name)
            if kept is None:
                return None
            if kept.version != version or now - kept.opened_at > _MOST_SECONDS:
                self._retired.append(self._kept.pop(name))
                return None
            kept.reads += 1
            kept.used_at = now
            return kept

    def _open(self, name: str, version: Hashable, opened: Opened) -> _Kept:
        # DuckDB spills customer data: into a folder that only this user can open.
        spill = tempfile.TemporaryDirectory(prefix="dataflow-spill-")
        try:
            con = opened(Path(spill.name))
        except BaseException:
            spill.cleanup()
            raise
        now = time.monotonic()
        kept = _Kept(con, spill, version, opened_at=now, used_at=now, reads=1)
        with self._lock:
            if self._ended.is_set():
                self._retired.append(kept)
                return kept
            self._kept[name] = kept
            if self._sweeper is None:
                self._sweeper = threading.Thread(target=self._sweep_often, name="pool", daemon=True)
                self._sweeper.start()
        return kept

    def _give_back(self, kept: _Kept) -> None:
        with self._lock:
            kept.reads -= 1
            kept.used_at = time.monotonic()
        self._close_retired()

    def _close_retired(self) -> None:
        with self._lock:
            unread = [kept for kept in self._retired if not kept.reads]
            self._retired = [kept for kept in self._retired if kept.reads]
        for kept in unread:
            kept.close()

    def _sweep_often(self) -> None:
        while not self._ended.wait(_SWEEP_SECONDS):
            self.sweep(now=time.monotonic())
