"""The SQL of a window: which rows of a table it selects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dataflow.errors import ConfigurationError, SchemaDrift
from dataflow.settings import ObjectSettings
from dataflow.sources.mysql.columns import Column, select_list
from dataflow.sources.mysql.connection import quote
from dataflow.sources.protocol import END, KeyRange, PlannedWindow, Window
from dataflow.sources.rows import key_fields

_FOLD = timedelta(hours=3)
"""When clocks are set back, at most this much of the day repeats."""


@dataclass(frozen=True)
class Table:
    """A table as an object declares it: its name, its columns, and their roles."""

    object: str
    name: str
    declared: ObjectSettings
    columns: tuple[Column, ...]
    zone: str

    @property
    def keys(self) -> tuple[Column, ...]:
        """Return the key columns that the table has."""
        return tuple(found for name in key_fields(self.declared) if (found := self.column(name)) is not None)

    def column(self, name: str) -> Column | None:
        # MySQL column names are case-insensitive; rows use the declared spelling.
        return next((column for column in self.columns if column.name == name), None)

    @property
    def cursor(self) -> Column:
        """Raises: SchemaDrift when the table does not have it."""
        found = self.column(self.declared.cursor)
        if found is None:
            raise SchemaDrift(
                f"Reading {self.name}: the cursor {self.declared.cursor} is not among its columns.",
                next_move="Declare another column as the object's cursor.",
            )
        return found

    @property
    def has_times(self) -> bool:
        """Return whether a column versions its rows; the others are read whole and compared by hash."""
        return bool(self.declared.cursor)

    @property
    def follows_key(self) -> bool:
        """Return whether the cursor is the key: new rows have higher keys.

        Raises: ConfigurationError for a cursor that is neither a time nor a whole number that is the key.
        """
        if not self.has_times:
            return False
        cursor = self.cursor
        if cursor.is_timestamp:
            return False
        if cursor.is_integer and key_fields(self.declared) == (cursor.name,):
            return True
        raise ConfigurationError(
            f"The cursor {cursor.name} of {self.object} is a {cursor.base} column; a time, or the key itself as a"
            " whole number, is expected.",
            next_move='Declare as cursor a column that every change of a row increases; without one, mode = "full".',
        )

    @property
    def range_key(self) -> Column | None:
        """Return the column by whose ranges the table can be cut: the first of the key, where it is a whole number."""
        first = self.keys[0] if self.keys else None
        return first if first is not None and first.is_integer else None


def rows_sql(table: Table, planned: PlannedWindow, *, columns: Sequence[Column]) -> str:
    return f"SELECT {select_list(columns)} FROM {quote(table.name)} WHERE {condition(table, planned)}"


def condition(table: Table, planned: PlannedWindow) -> str:
    """Return the condition for the rows of a window.

    Rows whose cursor has no time (null, a zero date) belong to every window: no interval contains them.
    """
    if not table.has_times:
        return "TRUE"
    cursor = table.cursor
    if table.follows_key:
        within = key_condition(cursor, planned.window.keys)
    else:
        interval = between(cursor, planned.window, zone=table.zone)
        timeless = [f"{quote(cursor.name)} < '1970-01-01'", f"{quote(cursor.name)} IS NULL"]
        within = f"({' OR '.join([interval, *timeless])})"
    if planned.keys is None or table.range_key is None:
        return within
    return f"{key_condition(table.range_key, planned.keys)} AND {within}"


def between(cursor: Column, window: Window, *, zone: str) -> str:
    """Return the condition for the rows whose cursor is in a time interval."""
    start, until = local_bounds(window, zone=zone if cursor.base != "timestamp" else "UTC")
    return f"({quote(cursor.name)} >= '{start}' AND {quote(cursor.name)} < '{until}')"


def local_bounds(window: Window, *, zone: str) -> tuple[str, str]:
    """Return the ends of a window in the column's time zone.

    When clocks are set back the same local time occurs twice: the bounds then include both, and raw recognises the
    rows that it already has.
    """
    if zone == "UTC":
        return _text(window.start), _text(window.until)
    place = ZoneInfo(zone)
    steps = [window.start + _FOLD * n / 12 for n in range(13)]
    earliest = min(_local(timestamp, place) for timestamp in steps)
    latest = max(_local(window.until - _FOLD * n / 12, place) for n in range(13)) if window.until < END else END
    return _text(earliest), _text(latest)


def _local(timestamp: datetime, place: ZoneInfo) -> datetime:
    return timestamp.astimezone(place).replace(tzinfo=UTC)


def _text(timestamp: datetime) -> str:
    return f"{timestamp:%Y-%m-%d %H:%M:%S.%f}" if timestamp.year > 999 else "1000-01-01"


def key_condition(column: Column, keys: KeyRange) -> str:
    name = quote(column.name)
    ends = [(">=", keys.start), ("<", keys.until)]
    return " AND ".join(f"{name} {sign} {end}" for sign, end in ends if end is not None) or "TRUE"
