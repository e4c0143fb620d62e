"""Read key, version and deletion from a row's fields, and collect rows into Arrow batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from dataflow.settings import ObjectSettings
from dataflow.sources.deletion import deletion_of
from dataflow.sources.protocol import BATCH_SCHEMA
from dataflow.sources.without_pandas import hide_pandas
from dataflow.sources.written import iso_date
from dataflow.vocabulary.answers import YES

BATCH_ROWS = 16_384
BATCH_CHARACTERS = 32 * 1024 * 1024

# Every source builds its batches here, before any other array of a run.
hide_pandas()


def key_fields(declared: ObjectSettings) -> tuple[str, ...]:
    """Return the fields of the key."""
    return tuple(name.strip() for name in declared.key.split(","))


def key_setting(names: Sequence[str]) -> str:
    """Return the line of dataflow.toml that declares these fields as key."""
    listed = ", ".join(f'"{name}"' for name in names)
    return f"key = [{listed}]" if len(names) > 1 else f"key = {listed}"


def parse_time(value: object, *, zone: str = "UTC") -> datetime | None:
    """Read an ISO 8601 time as UTC; one that names no zone is of `zone`. None when the text is not a time."""
    if not isinstance(value, str):
        return None
    try:
        timestamp = datetime.fromisoformat(value.strip())
        if timestamp.tzinfo is UTC:
            return timestamp
        if timestamp.tzinfo is not None:
            return timestamp.astimezone(UTC)
        return timestamp.replace(tzinfo=UTC) if zone == "UTC" else _of_zone(timestamp, zone)
    except (ValueError, OverflowError):
        return None


def _of_zone(wall: datetime, zone: str) -> datetime:
    """Return the time that a clock of the zone shows as `wall`.

    An hour that the clock shows twice is the later one, and one that it skips is counted on, as DuckDB does: the
    version of a row and the value of its field must be one time.
    """
    local = wall.replace(tzinfo=ZoneInfo(zone))
    return max(local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))


class RowReader:
    """Read key, version and deletion from the fields of a row, as the object declares them."""

    def __init__(self, declared: ObjectSettings) -> None:
        self.keys = key_fields(declared)
        self.cursor = declared.cursor
        self.deleted_flag = declared.deleted_flag
        self.deleted_when_set = declared.deleted_when_set
        self.has_marks = bool(self.deleted_flag or self.deleted_when_set)
        """Whether a field can mark a row as deleted."""
        self._deletes = deletion_of(declared)
        self._zone = declared.zone
        self._order = declared.csv.date_order
        self._null_words = frozenset(declared.csv.null_words)
        self.names = frozenset((*self.keys, self.cursor, self.deleted_flag, self.deleted_when_set))
        """Return the fields that are read."""

    def key(self, row: Mapping[str, Any]) -> str | None:
        """Return the record's key, its parts joined by `|`; None when a part is missing."""
        if len(self.keys) == 1:
            value = row.get(self.keys[0])
            return None if value is None or value == "" or value in self._null_words else str(value)
        parts = [None if (part := row.get(name)) in self._null_words else part for name in self.keys]
        if any(part is None or part == "" for part in parts):
            return None
        # Escaped: else ("a|b", "c") and ("a", "b|c") would be one record.
        return "|".join(str(part).replace("%", "%25").replace("|", "%7C") for part in parts)

    def changed_at(self, row: Mapping[str, Any]) -> datetime | None:
        """Return the record's version; None where it has none, which validation sets aside."""
        return self.version(row.get(self.cursor))

    def version(self, value: object) -> datetime | None:
        """Return the version that a value of the cursor gives."""
        return parse_time(self._written(value), zone=self._zone)

    def _written(self, value: object) -> object:
        """Return a value of a time as ISO 8601, where the object declares another order of dates."""
        return iso_date(value, self._order) if self._order and isinstance(value, str) else value

    def is_deleted(self, row: Mapping[str, Any]) -> bool:
        if self.deleted_flag:
            flag = row.get(self.deleted_flag)
            if flag is True or (isinstance(flag, str) and flag.strip().lower() in YES):
                return True
        if not self.deleted_when_set:
            return False
        mark = row.get(self.deleted_when_set)
        return mark not in self._null_words and self._deletes(self._written(mark))


class Rows:
    """Rows collected for one Arrow batch."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        # A list per column: with a tuple per row the garbage collector took a fifth of the time to read a CSV.
        self._columns: list[list[Any]] = [[] for _ in BATCH_SCHEMA]
        self._characters = 0

    def add(
        self,
        payload: str,
        locator: str,
        *,
        key: str | None = None,
        changed_at: datetime | None = None,
        is_deleted: bool = False,
        defect: str | None = None,
    ) -> None:
        keys, times, deletions, locators, defects, payloads = self._columns
        keys.append(key)
        times.append(changed_at)
        deletions.append(is_deleted)
        locators.append(locator)
        defects.append(defect)
        payloads.append(payload)
        self._characters += len(payload)

    @property
    def is_full(self) -> bool:
        """Return whether the batch is full, by rows or characters: a batch of long texts must fit in memory."""
        return len(self._columns[0]) >= BATCH_ROWS or self._characters >= BATCH_CHARACTERS

    def __len__(self) -> int:
        return len(self._columns[0])

    def take(self) -> pa.RecordBatch:
        """Return the collected rows in BATCH_SCHEMA, and start a new batch."""
        arrays = [pa.array(column, type=kind.type) for column, kind in zip(self._columns, BATCH_SCHEMA, strict=True)]
        self._start()
        return pa.RecordBatch.from_arrays(arrays, schema=BATCH_SCHEMA)
