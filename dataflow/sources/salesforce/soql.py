"""Build SOQL queries with pure functions: names are checked, values written in SOQL's notation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from dataflow.errors import ConfigurationError
from dataflow.sources.protocol import BEGINNING, END, Window

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*")


def select(fields: Sequence[str], of: str, *, where: str = "", order: Sequence[str] = (), limit: int = 0) -> str:
    """Build a query; `fields` empty: COUNT()."""
    listed = ", ".join(map(named, fields)) or "COUNT()"
    text = f"SELECT {listed} FROM {named(of)}"
    text += f" WHERE {where}" if where else ""
    text += f" ORDER BY {', '.join(map(named, order))}" if order else ""
    return text + (f" LIMIT {limit}" if limit else "")


def within(window: Window, cursor: str) -> str:
    """Return the conditions that a row's cursor is in the window; an open end has none."""
    ends = []
    if window.start > BEGINNING:
        ends.append(f"{named(cursor)} >= {timestamp(window.start)}")
    if window.until < END:
        # Times of rows are whole milliseconds: below the next one is the same as below a time within it.
        until = window.until + timedelta(microseconds=-window.until.microsecond % 1000)
        ends.append(f"{named(cursor)} < {timestamp(until)}")
    return " AND ".join(ends)


def timestamp(value: datetime) -> str:
    """Return a time in SOQL, to milliseconds. Salesforce's own times are whole seconds."""
    value = value.astimezone(UTC)
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"


def named(name: str) -> str:
    """Return the name of a field or object, and refuse anything else. Raises: ConfigurationError."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is not a name of a Salesforce object or field.", next_move="Correct it in dataflow.toml."
        )
    return name
