"""Cut a big window into pieces that are read in parallel, each in a short transaction.

A window is halved until the optimiser's estimate for each piece is small enough; the optimiser uses the index and reads
no row. So uneven keys do not matter, and a table of a billion rows costs some thousand short queries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from typing import TypeVar

from dataflow.sources.mysql.connection import Session, literal, quote
from dataflow.sources.mysql.questions import Table, between, condition, key_condition
from dataflow.sources.protocol import BEGINNING, KeyRange, PlannedWindow, Window

_SHORTEST = timedelta(seconds=1)
_EASY = 1.5
"""A window of up to this many chunks stays whole: the estimate is rough, and each piece costs a transaction."""

_HIDDEN = (1142, 1345)
"""The error of EXPLAIN where the user can read a view but not its definition."""

Interval = TypeVar("Interval", Window, KeyRange)


def leading_columns(session: Session, table: Table, *, doing: str) -> frozenset[str]:
    """Return the columns that begin an index."""
    found = session.ask(
        "SELECT DISTINCT COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE()"
        f" AND TABLE_NAME = {literal(table.name)} AND SEQ_IN_INDEX = 1",
        doing=doing,
    )
    return frozenset(str(name) for (name,) in found)


def cut(
    session: Session, table: Table, planned: PlannedWindow, *, chunk_rows: int, doing: str
) -> list[tuple[Window, KeyRange | None]]:
    """Return the pieces of a window in order: by time where it has an index, else by key; whole without an index."""

    def rows_of(where: str) -> int:
        return estimate(session, table, where, doing=doing)

    whole: list[tuple[Window, KeyRange | None]] = [(planned.window, None)]
    if rows_of(condition(table, planned)) <= chunk_rows * _EASY:
        return whole
    leading = leading_columns(session, table, doing=doing)
    key = table.range_key
    # A first load takes all rows: they are stored in the order of the key.
    is_first = planned.window.start <= BEGINNING
    if not table.follows_key and not is_first and table.cursor.name in leading:
        slices = _halve(planned.window, lambda w: rows_of(between(table.cursor, w, zone=table.zone)), chunk_rows)
        return [(window, None) for window in slices]
    if key is None or key.name not in leading:
        return whole
    name = quote(key.name)
    [(lowest, highest)] = session.ask(f"SELECT MIN({name}), MAX({name}) FROM {quote(table.name)}", doing=doing)
    if lowest is None:
        return whole
    ranges = list(_halve(KeyRange(lowest, highest + 1), lambda r: rows_of(key_condition(key, r)), chunk_rows))
    # Open at both ends: a key inserted meanwhile belongs to one of the pieces.
    ends = [None, *(one.start for one in ranges[1:]), None]
    return [(planned.window, KeyRange(*pair)) for pair in pairwise(ends)]


def estimate(session: Session, table: Table, where: str, *, doing: str) -> int:
    """Return how many rows the optimiser expects to read for a condition; 0 for a view whose definition is hidden."""
    # FORMAT is given, since newer servers answer with a tree by default.
    query = f"EXPLAIN FORMAT=TRADITIONAL SELECT 1 FROM {quote(table.name)} WHERE {where}"
    plan = session.attempt(query, refusals=_HIDDEN, doing=doing)
    return 0 if isinstance(plan, int) or not plan else int(plan[0].get("rows") or 0)


def _halve(interval: Interval, rows_of: Callable[[Interval], int], most: int) -> Iterator[Interval]:
    parts = _halves(interval)
    if not parts or rows_of(interval) <= most * _EASY:
        yield interval
        return
    for part in parts:
        yield from _halve(part, rows_of, most)


def _halves(interval: Interval) -> tuple[Interval, ...]:
    if isinstance(interval, Window):
        middle = interval.start + (interval.until - interval.start) / 2
        is_short = interval.until - interval.start <= _SHORTEST
        return () if is_short else (Window(interval.start, middle), Window(middle, interval.until))
    assert interval.start is not None and interval.until is not None
    at = (interval.start + interval.until) // 2
    return (KeyRange(interval.start, at), KeyRange(at, interval.until)) if at > interval.start else ()
