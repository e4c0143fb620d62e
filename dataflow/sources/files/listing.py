"""List the files of an object by day, and find those whose bytes were landed before."""

from __future__ import annotations

import glob
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path

from dataflow.errors import SourceMissing, SourceUnavailable
from dataflow.sources.files.presence import is_mark
from dataflow.sources.protocol import ObjectState, Part, Window

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_WILD = ("{date}", "*")
_PIECES = re.compile(r"(\{date\}|\*)")


@dataclass(frozen=True)
class FoundFile:
    """A file that matches an object's pattern; `path` is below the root."""

    path: str
    window: Window
    size_bytes: int
    modified_at: datetime
    fingerprint: str = ""
    """Fingerprint of its bytes, where the listing has it."""


def find_files(root: Path, pattern: str) -> list[FoundFile]:
    """List the files of a pattern, by path. `{date}` matches valid days only; without it there is one window.

    Raises: SourceMissing when there is no root folder.
    """
    if not root.is_dir():
        raise SourceMissing(
            f"Looking for {pattern}: there is no folder {root}.",
            next_move="Correct the source's root or deliver the files; `dataflow sample` makes some.",
        )
    found = []
    for file in root.glob("".join("*" if piece in _WILD else glob.escape(piece) for piece in _PIECES.split(pattern))):
        path = file.relative_to(root).as_posix()
        window = window_of(pattern, path)
        if window is not None and file.is_file():
            found.append(_found(file, path, window))
    return sorted(found, key=lambda one: one.path)


def window_of(pattern: str, path: str) -> Window | None:
    """Return the window of a path by its name; None when the pattern does not match."""
    match = _compile(pattern).fullmatch(path)
    return _window(match.groupdict().get("date")) if match else None


def identify(root: Path, files: Sequence[FoundFile], state: ObjectState) -> list[tuple[FoundFile, Part]]:
    """Fingerprint the files; read only those whose path, size and time of modification are not known.

    The bytes decide whether a file is new. Reading all past files in each run would be too expensive, so an unchanged
    modification time is trusted: a file rewritten under the same microsecond is found only by the comparison of whole
    windows (`Source.measure`).
    """
    return [(file, _known(file, state) or _read(root, file)) for file in files]


def check_unchanged(root: Path, part: Part) -> None:
    """Refuse a file that changed since the window was planned. Raises: SourceMissing, SourceUnavailable."""
    file = root / part.path
    if not file.is_file():
        raise SourceMissing(
            f"Reading {part.path}: it existed when the run was planned and is gone.",
            next_move="Deliver it again, or run again without it.",
        )
    now = _found(file, part.path, Window.of_all_time())
    if (now.size_bytes, now.modified_at) != (part.size_bytes, part.modified_at):
        raise SourceUnavailable(
            f"Reading {part.path}: it changed while it was read ({part.size_bytes} bytes, then {now.size_bytes}).",
            next_move="Run again when it is complete; nothing of it was landed.",
        )


@lru_cache(maxsize=256)
def _compile(pattern: str) -> re.Pattern[str]:
    named = False
    pieces = []
    for piece in _PIECES.split(pattern):
        if piece == "{date}":
            pieces.append("(?P=date)" if named else f"(?P<date>{_DATE.pattern})")
            named = True
        else:
            pieces.append("[^/]*" if piece == "*" else re.escape(piece))
    return re.compile("".join(pieces))


def _window(day: str | None) -> Window | None:
    if day is None:
        return Window.of_all_time()
    try:
        return Window.of_day(date.fromisoformat(day))
    except ValueError:
        return None


def _found(file: Path, path: str, window: Window) -> FoundFile:
    status = file.stat()
    # In whole microseconds, as the lake stores it; a float of seconds would not compare equal.
    modified = datetime.fromtimestamp(status.st_mtime_ns // 1_000_000_000, tz=UTC)
    return FoundFile(path, window, status.st_size, modified.replace(microsecond=status.st_mtime_ns // 1000 % 1_000_000))


def _known(file: FoundFile, state: ObjectState) -> Part | None:
    for part in state.parts.get(file.path, ()):
        if not is_mark(part) and (part.size_bytes, part.modified_at) == (file.size_bytes, file.modified_at):
            return part
    return None


def _read(root: Path, file: FoundFile) -> Part:
    try:
        with (root / file.path).open("rb") as stream:
            fingerprint = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise SourceUnavailable(
            f"Reading {file.path} under {root}: {error.strerror}.", next_move="Check that this user can read it."
        ) from error
    return Part(file.path, fingerprint, file.size_bytes, file.modified_at)
