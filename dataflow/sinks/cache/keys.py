"""Write, sweep and drop the keys of the cache, in pipelines of a thousand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from dataflow.sinks.cache.layout import (
    GONE,
    POINTER,
    PREFIX,
    PUBLICATIONS,
    SUPERSEDED,
    newest_upto,
    outdated,
    pairs,
    read_pointer,
    superseded_key,
)

_PIPELINE = 1_000
_SCAN = 5_000

T = TypeVar("T")


def write(
    client: Any, entries: Iterable[tuple[str, bytes]], publication: int, *, notes: bool, each: Callable[[], None]
) -> int:
    """Write the field of the publication under each key; return how many.

    `notes`: note the keys, so that their older fields are dropped later. `each` is called for every pipeline.
    """
    written = 0
    for some in _in_chunks(entries, _PIPELINE):
        each()
        pipeline = client.pipeline(transaction=False)
        for key, value in some:
            pipeline.execute_command("HSET", key, publication, value)
        if notes:
            pipeline.execute_command("SADD", superseded_key(publication), *(key for key, _ in some))
        pipeline.execute()
        written += len(some)
    return written


def sweep(client: Any, publication: int, *, each: Callable[[], None]) -> None:
    """After a publication was written whole: what it did not write is gone, what was there before is superseded."""
    for some in _in_chunks(_entry_keys(client), _PIPELINE):
        each()
        older = [(key, fields) for key, fields in _fields(client, some) if fields != [str(publication).encode()]]
        if not older:
            continue
        pipeline = client.pipeline(transaction=False)
        for key, fields in older:
            if str(publication).encode() not in fields:
                pipeline.execute_command("HSET", key, publication, GONE)
        pipeline.execute_command("SADD", superseded_key(publication), *(key for key, _ in older))
        pipeline.execute()


def drop_superseded(client: Any, *, keep_seconds: int, each: Callable[[], None]) -> None:
    """Drop the fields that were superseded longer ago than `keep_seconds`, and the keys of what is gone."""
    shows = read_pointer(client)
    if shows is None:
        return
    for name in client.zrangebyscore(PUBLICATIONS, "-inf", time.time() - keep_seconds):
        publication = int(name)
        if publication > shows.publication:
            continue
        noted = client.sscan_iter(superseded_key(publication), count=_PIPELINE)
        for some in _in_chunks(noted, _PIPELINE):
            each()
            _drop(client, some, publication)
        client.unlink(superseded_key(publication))
        client.zrem(PUBLICATIONS, name)


def any_left(client: Any) -> bool:
    """Return whether there is any entry."""
    return next(_entry_keys(client), None) is not None


def remove_all(client: Any) -> None:
    """Remove the pointer, then everything else."""
    client.delete(POINTER)
    for some in _in_chunks(client.scan_iter(match=f"{PREFIX}*", count=_SCAN), _PIPELINE):
        pipeline = client.pipeline(transaction=False)
        for key in some:
            pipeline.unlink(key)
        pipeline.execute()


def _drop(client: Any, some: list[bytes], publication: int) -> None:
    values = client.pipeline(transaction=False)
    for key in some:
        values.execute_command("HGETALL", key)
    dropping = client.pipeline(transaction=False)
    for key, fields in zip(some, values.execute(), strict=True):
        fields = pairs(fields)
        is_newest = all(int(number) <= publication for number in fields)
        if fields and is_newest and newest_upto(fields, publication) == GONE:
            dropping.unlink(key)
        elif former := outdated(fields, publication):
            dropping.execute_command("HDEL", key, *former)
    if len(dropping):
        dropping.execute()


def _fields(client: Any, some: list[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
    pipeline = client.pipeline(transaction=False)
    for key in some:
        pipeline.execute_command("HKEYS", key)
    yield from zip(some, pipeline.execute(), strict=True)


def _entry_keys(client: Any) -> Iterator[bytes]:
    """Yield the keys of customers and look-ups, without the sink's own."""
    own = (POINTER.encode(), PUBLICATIONS.encode())
    for key in client.scan_iter(match=f"{PREFIX}*", count=_SCAN):
        if key not in own and not key.startswith(SUPERSEDED.encode()):
            yield key


def _in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
