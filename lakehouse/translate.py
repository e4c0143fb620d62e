"""Translate errors of DuckDB and the system into LakeErrors: what was being done, where, and the next move."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from lakehouse.errors import (
    LakeConflict,
    LakeError,
    LakeIncompatible,
    LakeUnreachable,
    LakeUnwritable,
    SnapshotNotFound,
)

# DuckDB has few exception classes, so the text decides. The first match wins: a full disk during a commit is also
# reported as a failed transaction.
_MEANINGS: tuple[tuple[str, type[LakeError], str], ...] = (
    (
        r"no space left|disk quota|out of disk|could not write all bytes|file too large",
        LakeUnwritable,
        "free space on that disk, then run again",
    ),
    (
        r"permission denied|read-only file system|cannot create directory|failed to create directory|access ?denied",
        LakeUnwritable,
        "give this user write access to the path, then run again",
    ),
    (
        r"conflict|could not serialize|deadlock detected",
        LakeConflict,
        "run again: another writer committed first",
    ),
    (
        r"no snapshot found|at timestamp|no snapshot at",
        SnapshotNotFound,
        "choose a snapshot that still exists",
    ),
    (
        r"not a valid duckdb database|version mismatch|unsupported ducklake|ducklake catalog version|"
        r"storage version|serialized with a newer|not a ducklake",
        LakeIncompatible,
        "point the setting at a lake, or at a new path to create one",
    ),
    (
        r"unable to connect|connection refused|could not connect|connection to server|could not establish|"
        r"could not resolve|timeout|timed out|http error|http get error|http 4\d\d|http 5\d\d|curl|ssl|"
        r"terminating connection|server closed|connection already closed|no connection to the server|"
        r"could not translate host|connection lost",
        LakeUnreachable,
        "check that the server runs and that address and credentials are right, then run again",
    ),
    (
        r"cannot open file|could not open|no such file|cannot open database|database does not exist",
        LakeUnreachable,
        "check that the path exists and can be read",
    ),
)


# DuckDB's messages for a damaged database file: its pages and its log have checksums.
_CORRUPTION = re.compile(
    r"corrupt (database|wal) file|could not read enough bytes|failure while replaying wal|failed to deserialize", re.I
)

# DuckDB's and Parquet's messages for a data file whose content is not what was written.
_DAMAGED_FILE = re.compile(
    r"failed to read file|decompression failure|don't know what type|no magic bytes|invalid parquet|parquet file|"
    r"tprotocolexception|thrift|page header|corrupt",
    re.I,
)

# An error of the caller's SQL or rows is not an error of the lake, whatever its text contains.
_OF_THE_CALLER = (
    duckdb.BinderException,
    duckdb.ConstraintException,
    duckdb.ConversionException,
    duckdb.OutOfMemoryException,
    duckdb.OutOfRangeException,
    duckdb.ParserException,
    duckdb.SyntaxException,
    duckdb.TypeMismatchException,
)


def meaning_of(error: BaseException) -> tuple[type[LakeError], str, str] | None:
    """Return the class, the matching text and the next move of a raw error; None when it is not the lake's error."""
    if is_of_the_caller(error):
        return None
    text = str(error).lower()
    for pattern, kind, next_move in _MEANINGS:
        if found := re.search(pattern, text):
            return kind, found.group(), next_move
    return None


def is_of_the_caller(error: BaseException) -> bool:
    """Return whether the error is of the caller's SQL or rows."""
    return isinstance(error, _OF_THE_CALLER)


def is_corruption(text: str) -> bool:
    """Return whether DuckDB reports a damaged database file."""
    return _CORRUPTION.search(text) is not None


def is_damaged_file(text: str) -> bool:
    """Return whether DuckDB reports a data file that it cannot decode."""
    return _DAMAGED_FILE.search(text) is not None


def first_line(error: BaseException) -> str:
    """Return the first line of an error: later lines quote SQL, which can contain values."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def without_trace(error: BaseException) -> str:
    """Return the text of an error without the stack trace and library paths that DuckDB adds to an INTERNAL error."""
    return str(error).partition("Stack Trace:")[0].strip()


def is_conflict(error: BaseException) -> bool:
    """Return whether a concurrent commit won, so that a retry of the transaction can succeed."""
    if isinstance(error, LakeConflict):
        return True
    meaning = meaning_of(error) if isinstance(error, duckdb.Error) else None
    return meaning is not None and meaning[0] is LakeConflict


@contextmanager
def translating(doing: str) -> Iterator[None]:
    """Raise LakeError for errors of DuckDB or the system while `doing` (e.g. "Opening the lake at …").

    An unknown error (a syntax error, a bug) passes unchanged.
    """
    try:
        yield
    except (duckdb.Error, OSError) as error:
        meaning = meaning_of(error)
        if meaning is None:
            raise
        kind, words, next_move = meaning
        raise kind(f"{doing}: {_summary(error, words)}; {next_move}") from error


def _summary(error: BaseException, words: str) -> str:
    """Return the first line, and of later lines only the matching text."""
    first = first_line(error)
    return first if words in first.lower() else f"{first} ({words})"
