"""The subject of an erasure, suppression or export: a person by all ids and keyed hashes."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from dataflow.errors import UsageError

HASH_KINDS = ("email", "phone", "record")
"""Kinds of hashed values: an e-mail address or telephone number as conformed, or a record id."""

_KEY_BYTES = 32
"""The length of a SHA-256 digest: RFC 2104, section 3, discourages a shorter key."""


@dataclass(frozen=True, order=True)
class KeyedHash:
    """HMAC-SHA256 of one value under a lake's key. A plain hash would be a look-up table of known addresses."""

    kind: str
    digest: str

    @classmethod
    def of(cls, kind: str, value: str, *, key: bytes) -> KeyedHash:
        """Hash a normalised value together with its kind, so that kinds never collide.

        Raises: UsageError for an unknown kind, an empty value or a key that is too short.
        """
        if kind not in HASH_KINDS:
            raise UsageError(f"There is no keyed hash of {kind}; there are {', '.join(HASH_KINDS)}.")
        if not value:
            raise UsageError(f"A keyed hash of {kind} needs a value.")
        if len(key) < _KEY_BYTES:
            raise UsageError(f"A key of {len(key)} bytes is too short; it needs {_KEY_BYTES}.")
        return cls(kind, hmac.new(key, f"{kind}\0{value}".encode(), hashlib.sha256).hexdigest())


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One person: sinks forget them, landing suppresses them, privacy erases and exports them.

    `customer_ids`: all current and former ids of the person; `record_ids`: the source records behind them
    (`source|object|key`); `hashes` recognise the person in rows that arrive later.
    """

    customer_ids: frozenset[str] = frozenset()
    record_ids: frozenset[str] = frozenset()
    hashes: frozenset[KeyedHash] = frozenset()

    def __post_init__(self) -> None:
        # An erasure without a subject must not report success.
        if not (self.customer_ids or self.record_ids or self.hashes):
            raise UsageError("A subject needs at least one customer id, record id or keyed hash.")

    def __repr__(self) -> str:
        """Return counts only: logs must not hold ids of a person."""
        counts = f"{len(self.customer_ids)} customers, {len(self.record_ids)} records, {len(self.hashes)} hashes"
        return f"Subject({counts})"

    def joined(self, other: Subject) -> Subject:
        """Return the union of both, as one person."""
        return Subject(
            customer_ids=self.customer_ids | other.customer_ids,
            record_ids=self.record_ids | other.record_ids,
            hashes=self.hashes | other.hashes,
        )
