"""Append entries to the tree of one writer: a folder for each user of each machine.

    entries.log   the segment (segment.py); appended and made durable under its lock
    public.key    name and public key of the tree, as a C2SP verifier key
    signing.key, hash.key   made at first use, readable by this user only, unless the settings have the keys
    frontier      the tree's compact form at some size: a cache, checked by the last line, computed again if wrong
    open/         reads that have begun (intents.py)

A process killed while it writes leaves a torn last line: the next one replaces it by an entry that says so, with the
number and hash of its bytes. Other damage is not repaired: the log takes no entries until its folder is moved aside.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from dataflow.access.log.checkpoint import Head, Signer, VerifierKey
from dataflow.access.log.entry import Entry, EntryKind, ReadEnding
from dataflow.access.log.intents import Intent, abandoned, prepare_intents
from dataflow.access.log.keys import HASH_KEY, PUBLIC_KEY, SIGNING_KEY, own_key
from dataflow.access.log.segment import FIRST, SEGMENT, Line, last_line, leaf_data, line_hash, line_of
from dataflow.access.log.tree import Frontier, leaf_hash
from dataflow.errors import AccessLogDamaged, AccessLogUnwritable, ConfigurationError

_FRONTIER = "frontier"
_KEPT_EACH = 16
"""A cache is written for each so many entries: reading up to 15 lines again costs less than writing it each time."""


@dataclass(frozen=True)
class _State:
    """The tree up to a byte of the segment, and the hash of the last line."""

    tree: Frontier
    end: int
    before: bytes


class LogWriter:
    """The log of one writer. Its methods raise AccessLogUnwritable where the disk refuses, AccessLogDamaged."""

    def __init__(self, folder: Path, *, signing_key: bytes | None = None, hash_key: bytes | None = None) -> None:
        self.folder = folder
        with _refusing(folder):
            folder.mkdir(mode=0o770, parents=True, exist_ok=True)
            prepare_intents(folder)
            private = signing_key or own_key(folder / SIGNING_KEY)
            self.hash_key = hash_key or own_key(folder / HASH_KEY)
            self._signer = _signer_of(folder, private)
            self._file = (folder / PUBLIC_KEY).stat().st_ino
        self._state: _State | None = None

    @property
    def is_in_place(self) -> bool:
        """Return whether the log is where it was opened: its folder can have been moved aside, and a new one begun."""
        try:
            return (self.folder / PUBLIC_KEY).stat().st_ino == self._file
        except OSError:
            return False

    @property
    def key(self) -> VerifierKey:
        """Return name and public key of the tree."""
        return self._signer.verifier

    def append(self, entry: Entry) -> int:
        """Append an entry durably; return its index."""
        with _refusing(self.folder), self._locked() as stream:
            return self._append(stream, self._current(stream), entry)

    def begin(self, entry: Entry) -> Intent:
        """Record durably that a read begins; first record those that killed processes left open."""
        with _refusing(self.folder):
            self._record_abandoned()
            return Intent(self.folder, entry)

    def end(self, intent: Intent, entry: Entry) -> int:
        """Append the entry of a read that began. If it cannot be written, a later process records the read."""
        try:
            index = self.append(entry)
            intent.done()
        finally:
            intent.leave()
        return index

    def _record_abandoned(self) -> None:
        with abandoned(self.folder) as found:
            for entry, path in found:
                if entry is not None:
                    ended = "its process ended before it recorded what it had read"
                    self.append(replace(entry, outcome=ReadEnding.INTERRUPTED, detail=ended))
                elif not path.name.startswith("."):
                    self.append(_note("the record of an open read could not be read", path.read_bytes()))
                path.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        descriptor = os.open(self.folder / SEGMENT, os.O_RDWR | os.O_CREAT, 0o660)
        with os.fdopen(descriptor, "rb+", buffering=0) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield stream

    def _current(self, stream: BinaryIO) -> _State:
        """Return the state at the end of the segment, after setting a torn line aside."""
        size = os.fstat(stream.fileno()).st_size
        if self._state is not None and self._state.end == size:
            return self._state
        # Other processes of this user append too.
        start = self._state if self._state is not None and self._state.end < size else self._cached(stream, size)
        try:
            state = _replay(stream, start, self.key)
        except ValueError:
            state = self._replay_all(stream)
        if state.end == size:
            return state
        torn = os.pread(stream.fileno(), size - state.end, state.end)
        if torn.endswith(b"\n") and b"\0" not in torn:
            raise _damaged(self.folder)
        self._append(stream, state, _note("a torn line of a killed process was replaced", torn))
        assert self._state is not None
        return self._state

    def _replay_all(self, stream: BinaryIO) -> _State:
        try:
            return _replay(stream, _State(Frontier(), 0, FIRST), self.key)
        except ValueError as error:
            raise _damaged(self.folder) from error

    def _append(self, stream: BinaryIO, state: _State, entry: Entry) -> int:
        tree = state.tree.copy()
        leaf = leaf_data(tree.size, state.before, entry.encoded())
        tree.append(leaf_hash(leaf))
        head = Head(self.key.name, tree.size, tree.root())
        line = line_of(leaf, head.root, self._signer.sign(head))
        descriptor = stream.fileno()
        before = os.fstat(descriptor).st_size
        try:
            _write_at(descriptor, line, state.end)
            if before > state.end + len(line):
                os.ftruncate(descriptor, state.end + len(line))
            os.fsync(descriptor)
        except OSError:
            self._state = None
            with suppress(OSError):
                os.ftruncate(descriptor, state.end)
            raise
        self._state = _State(tree, state.end + len(line), line_hash(line))
        if tree.size % _KEPT_EACH == 0:
            self._keep(self._state)
        return tree.size - 1

    def _cached(self, stream: BinaryIO, size: int) -> _State:
        """Return the cached state if the line before it confirms it, else that of an empty tree."""
        empty = _State(Frontier(), 0, FIRST)
        try:
            kept = json.loads((self.folder / _FRONTIER).read_bytes())
            tree = Frontier(kept["size"], [bytes.fromhex(one) for one in kept["hashes"]])
            if not 0 < kept["bytes"] <= size:
                return empty
            raw = last_line(stream, kept["bytes"])
            line = Line.parse(raw)
        except (OSError, ValueError, KeyError, TypeError):
            return empty
        if not raw.endswith(b"\n") or (line.index + 1, line.root) != (tree.size, tree.root()):
            return empty
        return _State(tree, kept["bytes"], line_hash(raw))

    def _keep(self, state: _State) -> None:
        """Write the cache; without it the next process reads the whole segment."""
        plain = {"size": state.tree.size, "bytes": state.end, "hashes": [one.hex() for one in state.tree.hashes]}
        draft = self.folder / f".{_FRONTIER}.{os.getpid()}"
        with suppress(OSError):
            draft.write_text(json.dumps(plain))
            draft.replace(self.folder / _FRONTIER)


def _replay(stream: BinaryIO, state: _State, key: VerifierKey) -> _State:
    """Return the state after the last whole line. Raises: ValueError where a line does not continue the tree."""
    tree, offset, before, last = state.tree.copy(), state.end, state.before, None
    stream.seek(offset)
    with os.fdopen(os.dup(stream.fileno()), "rb") as lines:
        lines.seek(offset)
        for raw in lines:
            if not raw.endswith(b"\n") or b"\0" in raw:
                break
            line = Line.parse(raw)
            if (line.index, line.before) != (tree.size, before):
                raise ValueError(f"line {tree.size} does not follow the line before it")
            tree.append(leaf_hash(line.leaf))
            offset, before, last = offset + len(raw), line_hash(raw), line
    if last is not None and (last.root != tree.root() or not last.is_signed(key)):
        raise ValueError("the last line's root is not that of the tree")
    return _State(tree, offset, before)


def _signer_of(folder: Path, private: bytes) -> Signer:
    """Return the signer of the tree in a folder; its name is made once. Raises: OSError, ConfigurationError."""
    file = folder / PUBLIC_KEY
    if not file.exists():
        name = f"dataflow/{folder.name}/{secrets.token_hex(4)}"
        draft = file.with_name(f".{PUBLIC_KEY}.{secrets.token_hex(8)}")
        draft.write_text(f"{Signer(name, private).verifier}\n")
        with suppress(FileExistsError):
            os.link(draft, file)
        draft.unlink()
    try:
        known = VerifierKey.parse(file.read_text())
    except ValueError:
        raise _damaged(folder) from None
    signer = Signer(known.name, private)
    if signer.verifier != known:
        raise ConfigurationError(
            f"The access log in {folder} was begun with another signing key.",
            next_move="Set audit.signing_key to that key again, or move the folder aside, which begins a new log.",
        )
    return signer


def _note(what: str, found: bytes) -> Entry:
    return Entry(
        at=datetime.now(UTC),
        who="",
        authenticated="",
        role="",
        purpose="",
        door="",
        kind=EntryKind.SET_ASIDE,
        outcome=ReadEnding.INTERRUPTED,
        detail=f"{what}: {len(found)} bytes, SHA-256 {sha256(found).hexdigest()}",
    )


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


@contextmanager
def _refusing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AccessLogUnwritable(
            f"The read is refused, because the access log {folder} cannot be written: {error.strerror}. Nothing is "
            "read unlogged.",
            next_move="Free space on that disk or give this user write access, then run again.",
        ) from error


def _damaged(folder: Path) -> AccessLogDamaged:
    return AccessLogDamaged(
        f"The access log {folder} is damaged, so it takes no entries and nothing can be read.",
        next_move="`dataflow audit verify` names the damage. Keep the folder as evidence under another name outside "
        "the log; the next read then begins a new log.",
    )
