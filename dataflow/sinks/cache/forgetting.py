"""Remove one person from the cache: customers, look-ups, and the person's place in look-ups of others."""

from __future__ import annotations

from typing import Any

from dataflow.sinks.cache.layout import (
    GONE,
    customer_key,
    decode_customer,
    decode_ids,
    encode_ids,
    index_key,
    is_customer,
)
from dataflow.tables.subject import KeyedHash, Subject

_FOUND_BY = ("email", "phone")


def forget_person(client: Any, subject: Subject, *, key: bytes) -> int:
    """Remove every entry of the person; return how many. `key` is that of the hashes."""
    hashes = {KeyedHash.of("record", record_id, key=key) for record_id in subject.record_ids}
    removed = 0
    for customer_id in sorted(subject.customer_ids):
        for value in client.hgetall(customer_key(customer_id)).values():
            if is_customer(value):
                customer = decode_customer(value)
                hashes |= {KeyedHash.of(kind, customer[kind], key=key) for kind in _FOUND_BY if customer.get(kind)}
        removed += int(client.delete(customer_key(customer_id)))
    for found_by in sorted(hashes):
        removed += _leave_index(client, index_key(found_by), subject.customer_ids)
    return removed


def _leave_index(client: Any, name: str, customer_ids: frozenset[str]) -> int:
    """Take the ids out of every field of a look-up; return 1 where any was in it."""
    fields = client.hgetall(name)
    kept = {
        number: encode_ids([each for each in decode_ids(value) if each not in customer_ids])
        for number, value in fields.items()
    }
    if kept == fields:
        return 0
    if all(value == GONE for value in kept.values()):
        client.delete(name)
    else:
        client.hset(name, mapping=kept)
    return 1
