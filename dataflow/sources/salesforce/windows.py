"""Choose the interval of the org's time to read: from the watermark less the look-back up to the org's own clock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from dataflow.settings import ObjectSettings
from dataflow.sources.protocol import BEGINNING, ObjectState, Window

READER_VERSION = "1"
"""Part of every window's fingerprint: raise it when rows are shaped differently."""
_SHORTEST = timedelta(seconds=2)
_DEEPEST = 24

Count = Callable[[Window], int]


def choose_window(
    declared: ObjectSettings,
    state: ObjectState,
    now: datetime,
    *,
    lookback: timedelta,
    since: datetime | None,
    until: datetime | None,
) -> Window | None:
    """Choose the window to read, or None where there is nothing to read.

    SystemModstamp is set before its transaction commits, so the look-back before the watermark is read again. The end
    is a past time of the org's clock: a row stamped later waits for the next run.
    """
    end = min(until or now, now)
    start = since or _resume(declared, state, now, lookback)
    return Window(start, end) if start < end else None


def _resume(declared: ObjectSettings, state: ObjectState, now: datetime, lookback: timedelta) -> datetime:
    if state.watermark is None or is_reread_due(declared, state, now):
        return BEGINNING
    return (state.watermark - lookback).replace(microsecond=0)


def is_reread_due(declared: ObjectSettings, state: ObjectState, now: datetime) -> bool:
    """Return whether a full read is due, for fields that change without moving the cursor."""
    if not declared.reread_every_hours:
        return False
    return state.read_whole_at is None or now - state.read_whole_at >= timedelta(hours=declared.reread_every_hours)


def cut(window: Window, rows: int, *, earliest: datetime, limit: int, count: Count) -> Iterator[tuple[Window, int]]:
    """Cut a window into pieces of at most `limit` rows where possible, oldest first, with the rows of each.

    It halves by time and counts, which costs about two calls per piece. A single second cannot be cut: after a mass
    update a piece can have more rows.
    """
    if rows <= limit:
        yield window, rows
        return
    yield from _halve(window, rows, max(window.start, earliest), limit, count, 0)


def _halve(
    window: Window, rows: int, from_: datetime, limit: int, count: Count, depth: int
) -> Iterator[tuple[Window, int]]:
    middle = (from_ + (window.until - from_) / 2).replace(microsecond=0)
    if rows <= limit or depth >= _DEEPEST or window.until - from_ < _SHORTEST or not from_ < middle < window.until:
        yield window, rows
        return
    left = Window(window.start, middle)
    before = count(left)
    yield from _halve(left, before, from_, limit, count, depth + 1)
    yield from _halve(Window(middle, window.until), rows - before, middle, limit, count, depth + 1)


def fingerprint(source: str, name: str, declared: ObjectSettings, window: Window, now: datetime) -> str:
    """Return a window's fingerprint, which includes the time of planning: later the window can hold other rows."""
    shaping = declared.model_dump_json(exclude={"checks", "personal", "json_schema"})
    ends = [timestamp.astimezone(UTC).isoformat() for timestamp in (window.start, window.until, now)]
    described = "\n".join([READER_VERSION, source, name, shaping, *ends])
    return hashlib.md5(described.encode(), usedforsecurity=False).hexdigest()
