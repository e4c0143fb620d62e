"""Versions of rows without a time of change: the key of an append-only table, as a time.

So the watermark of such an object is its highest key, and windows, gaps and checks work as they do for times. Below
2.53e17 a key is that many microseconds after 1970. From there on a microsecond holds 65,536 keys, because times end in
the year 9999 and keys of 64 bits reach 1.8e19 (Snowflake ids, unsigned keys). The version only has to grow with the
key: a row of such a table never changes, so no two versions of one record are compared.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa

_ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SHARED_FROM = 253_000_000_000_000_000
"""The first key that shares its version with others. It does not change: raw holds versions of keys below it."""
_KEYS_A_VERSION = 65_536

_TIMED_FROM = 2**48
_TIMED_KEYS_A_SECOND = 1000 << 22
"""A counter does not reach 2^48: a key above it holds a time in its upper bits, as Snowflake's does, in milliseconds
above 22 bits. Source: Twitter Snowflake (2010), from which Discord's and Instagram's ids and most generators derive."""


def version_of_key(key: int) -> datetime:
    """Return the version of a key. Raises: OverflowError for a key that is negative or longer than 64 bits."""
    if not 0 <= key < 2**64:
        raise OverflowError
    number = key if key < _SHARED_FROM else _SHARED_FROM + (key - _SHARED_FROM) // _KEYS_A_VERSION
    return _ZERO + number * _MICROSECOND


def key_of_version(version: datetime) -> int:
    """Return the lowest key of a version."""
    number = (version - _ZERO) // _MICROSECOND
    return number if number < _SHARED_FROM else _SHARED_FROM + (number - _SHARED_FROM) * _KEYS_A_VERSION


def resume_from(watermark: datetime, *, keys: int, seconds: float) -> datetime:
    """Return the version from which keys are read again: `keys` below the watermark.

    Where keys hold a time, `seconds` below it if that is more: ids of one second are a billion apart.
    """
    reached = key_of_version(watermark)
    timed = round(seconds * _TIMED_KEYS_A_SECOND) if reached >= _TIMED_FROM else 0
    return version_of_key(max(reached - max(keys, timed), 0))


def versions_of_keys(keys: pa.Array) -> pa.Array:
    """Return the versions of integer keys, in microseconds after 1970; negative keys are before it."""
    # Imported late: reading commands need the numbers only.
    import pyarrow.compute as pc

    # Scalars of the keys' own type: Arrow has no common type for signed and unsigned 64 bits.
    first, step = (pa.scalar(number, keys.type) for number in (_SHARED_FROM, _KEYS_A_VERSION))
    shared = pc.greater_equal(keys, first)
    if pc.any(shared).as_py():
        above = pc.divide(pc.subtract(pc.max_element_wise(keys, first), first), step)
        keys = pc.if_else(shared, pc.add(above, first), keys)
    return pc.cast(keys, pa.int64())


def mysql_version(key: str) -> str:
    """Return the SQL expression of MySQL for the version of a key, in microseconds after 1970."""
    above = f"{_SHARED_FROM} + ({key} - {_SHARED_FROM}) DIV {_KEYS_A_VERSION}"
    return f"CASE WHEN {key} < {_SHARED_FROM} THEN {key} ELSE {above} END"
