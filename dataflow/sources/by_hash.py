"""Objects without a time of change: their rows are versioned by when they were read, and compared by hash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from dataflow.settings import ObjectSettings, SourceSettings
from dataflow.sources.protocol import BATCH_SCHEMA, ByHash, Part, Window
from dataflow.sources.record_key import key_kinds
from dataflow.sources.rows import key_fields

_AS_OF = " as of "
_MICROSECOND = timedelta(microseconds=1)
_CHANGED_AT = BATCH_SCHEMA.get_field_index("changed_at")


def by_hash_of(source: SourceSettings, declared: ObjectSettings) -> ByHash | None:
    """Return how an object without a time is landed; None for an object with one."""
    if declared.cursor:
        return None
    return ByHash(
        key_fields(declared),
        key_kinds(source, declared),
        is_whole=declared.mode == "full",
        limit_share=declared.anti_join_limit_share,
    )


def stamped(batches: Iterator[pa.RecordBatch], at: datetime) -> Iterator[pa.RecordBatch]:
    """Give each row without a version the time at which its object was as it was read."""
    for batch in batches:
        times = pc.fill_null(batch.column(_CHANGED_AT), pa.scalar(at, BATCH_SCHEMA.field(_CHANGED_AT).type))
        yield batch.set_column(_CHANGED_AT, BATCH_SCHEMA.field(_CHANGED_AT), times)


def as_delivered(part: Part) -> Part:
    """Mark a file of an object that is delivered whole by its time: bytes of a former state are a new one again."""
    stored = as_stored(part)
    return replace(stored, fingerprint=f"{stored.fingerprint}{_AS_OF}{stored.modified_at.isoformat()}")


def as_stored(part: Part) -> Part:
    """Return the part without its mark, as the store knows it."""
    return replace(part, fingerprint=part.fingerprint.partition(_AS_OF)[0])


def within(window: Window, at: datetime) -> datetime:
    """Return the time, or the nearest one inside the window: a file of a day can be written on a later one."""
    return min(max(at, window.start), window.until - _MICROSECOND)
