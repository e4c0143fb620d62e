"""Customers out of Redis: each answer is of one publication."""

from __future__ import annotations

import threading
from typing import Any

from dataflow.access.keys import derive_key
from dataflow.settings import Settings
from dataflow.sinks.cache.cache import KEY_USE
from dataflow.sinks.cache.client import connect_cache, naming_cache_errors
from dataflow.sinks.cache.layout import (
    POINTER,
    Pointer,
    customer_key,
    decode_customer,
    decode_ids,
    index_key,
    newest_upto,
    pairs,
    read_redirect,
)
from dataflow.tables.subject import KeyedHash

# Redirects lead to a current id in one step; more are followed while a publication is being written.
_MOST_STEPS = 8


class CachedCustomers:
    """The reader of the cache. Raises SinkError where it cannot be reached."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = connect_cache(settings)
        self._keys: dict[str, bytes] = {}
        self._seen: bytes | None = None
        self._lock = threading.Lock()

    def get(self, customer_id: str) -> tuple[int, str, dict[str, Any]] | None:
        """Return publication, current id and columns; None where the cache does not know the id, or that it is gone."""
        asked_for = customer_id
        for _ in range(_MOST_STEPS):
            shows, value = self._read(customer_key(asked_for))
            if shows is None or not value:
                return None
            further = read_redirect(value)
            if further is None:
                return shows.publication, asked_for, decode_customer(value)
            asked_for = further
        return None

    def find(self, kind: str, value: str) -> list[str]:
        """Return the ids of the customers with a value; empty where the cache knows of none."""
        shows = self._pointer()
        if shows is None:
            return []
        _, found = self._read(index_key(KeyedHash.of(kind, value, key=self._key(shows.lake_id))))
        return decode_ids(found) if found else []

    def close(self) -> None:
        self._client.close()

    def _read(self, key: str) -> tuple[Pointer | None, bytes | None]:
        """Return the pointer and the value that it shows under a key, in one round trip.

        The pointer is read first: a publication that is completed in between has written greater fields only. The nodes
        of a cluster answer in any order; there the fields are read again unless the pointer is one that was known
        before they were asked for, which costs a second round trip after a publication.
        """
        known = self._seen
        with naming_cache_errors(self._settings, doing="Reading the cache"):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.execute_command("GET", POINTER)
            pipeline.execute_command("HGETALL", key)
            pointer, fields = pipeline.execute()
            if self._settings.cache.cluster and pointer != known:
                fields = self._client.execute_command("HGETALL", key)
        self._seen = pointer
        if pointer is None:
            return None, None
        shows = Pointer.decode(pointer)
        return shows, newest_upto(pairs(fields), shows.publication)

    def _pointer(self) -> Pointer | None:
        with naming_cache_errors(self._settings, doing="Reading the cache"):
            value = self._client.get(POINTER)
        return Pointer.decode(value) if value is not None else None

    def _key(self, lake_id: str) -> bytes:
        with self._lock:
            if lake_id not in self._keys:
                self._keys[lake_id] = derive_key(self._settings, lake_id=lake_id, use=KEY_USE)
            return self._keys[lake_id]
