"""The queries that are asked: built by pure functions, names checked, values bound in SOQL's own notation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

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
    """The condition that a row's cursor lies in the window; an open end needs none."""
    ends = []
    if window.start > BEGINNING:
        ends.append(f"{named(cursor)} >= {timestamp(window.start)}")
    if window.until < END:
        ends.append(f"{named(cursor)} < {timestamp(window.until)}")
    return " AND ".join(ends)


def timestamp(value: datetime) -> str:
    """A time as SOQL writes it. Salesforce's own times are whole seconds; milliseconds are what SOQL can say."""
    value = value.astimezone(UTC)
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"


def named(name: str) -> str:
    """Let a field or object through, and nothing else. Raises: ConfigurationError."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is no name of a Salesforce object or field.", next_move="Correct it in dataflow.toml."
        )
    return name
