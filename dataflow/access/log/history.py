"""Read the access log: its entries by time, as a file, and the proof of one."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from pathlib import Path
from typing import Any

from dataflow.access.log.entry import Entry
from dataflow.access.log.segment import SEGMENT, Line, read_lines
from dataflow.access.log.tree import inclusion_proof, leaf_hash
from dataflow.access.log.verify import folders_of, key_beside
from dataflow.errors import AccessLogDamaged, UsageError

_PROOF = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True)
class Logged:
    """An entry with its place: the folder of its writer and its index there."""

    writer: str
    index: int
    entry: Entry

    @property
    def name(self) -> str:
        """Return the name by which `audit prove` finds it."""
        return f"{self.writer}/{self.index}"

    def as_dict(self) -> dict[str, Any]:
        return {"entry": self.name, **self.entry.as_dict()}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which entries: all that fit every part that is given."""

    who: str | None = None
    role: str | None = None
    table: str | None = None
    subjects: frozenset[str] | None = None
    since: datetime | None = None
    until: datetime | None = None

    def fits(self, entry: Entry) -> bool:
        return (
            self.who in (None, entry.who)
            and self.role in (None, entry.role)
            and (self.table is None or self.table in entry.tables)
            and (self.subjects is None or not self.subjects.isdisjoint(entry.subjects))
            and (self.since is None or entry.at >= self.since)
            and (self.until is None or entry.at < self.until)
        )


def entries_in(root: Path, choice: Choice | None = None) -> Iterator[Logged]:
    """Yield the chosen entries of all writers, by the time at which each read began, or nearly so.

    An entry is written when its read ends, so two reads that overlap can be in the order of their ends.
    Raises: AccessLogDamaged where a line is not an entry.
    """
    chosen = choice or Choice()
    logs = [_entries_of(folder) for folder in folders_of(root)]
    for logged in merge(*logs, key=lambda one: one.entry.at):
        if chosen.fits(logged.entry):
            yield logged


def prove(root: Path, name: str) -> str:
    """Return the proof that an entry is in the newest signed head, as a C2SP tlog-proof with the leaf as extra data.

    Source: https://c2sp.org/tlog-proof. Raises: UsageError for a name that is not of an entry, AccessLogDamaged.
    """
    folder, index = _place(root, name)
    lines = [_parsed(folder, place, raw) for place, raw in enumerate(_whole_lines(folder))]
    if index >= len(lines):
        raise UsageError(
            f"The log {folder.name} has {len(lines)} entries, from 0 to {len(lines) - 1}.",
            next_move="`dataflow audit list` names them.",
        )
    path = inclusion_proof([leaf_hash(line.leaf) for line in lines], index)
    key, last = key_beside(folder), lines[-1]
    parts = [
        _PROOF,
        f"extra {b64encode(lines[index].leaf).decode()}",
        f"index {index}",
        *(b64encode(one).decode() for one in path),
        "",
        key.note(last.head(key.name), last.signature),
    ]
    return "\n".join(parts)


def _entries_of(folder: Path) -> Iterator[Logged]:
    for place, raw in enumerate(_whole_lines(folder)):
        line = _parsed(folder, place, raw)
        try:
            yield Logged(folder.name, line.index, line.entry)
        except ValueError:
            raise _damaged(folder, place) from None


def _whole_lines(folder: Path) -> Iterator[bytes]:
    return (raw for raw in read_lines(folder / SEGMENT) if raw.endswith(b"\n"))


def _parsed(folder: Path, place: int, raw: bytes) -> Line:
    try:
        return Line.parse(raw)
    except ValueError:
        raise _damaged(folder, place) from None


def _damaged(folder: Path, place: int) -> AccessLogDamaged:
    return AccessLogDamaged(
        f"Line {place} of the access log {folder} is not an entry.", next_move="Run `dataflow audit verify`."
    )


def _place(root: Path, name: str) -> tuple[Path, int]:
    """Return the folder and index of an entry; the writer can be left out where there is one."""
    writer, _, number = name.rpartition("/")
    folders = [folder for folder in folders_of(root) if writer in ("", folder.name)]
    if len(folders) != 1 or not number.isascii() or not number.isdecimal():
        raise UsageError(
            f"{name} does not name an entry of the {len(folders)} logs in {root}.",
            next_move="Write it as `dataflow audit list` does: WRITER/NUMBER.",
        )
    return folders[0], int(number)
