"""The keys of the cache and the values under them, as the sink writes and readers read them.

| key | type | content |
|---|---|---|
| `df:publication` | text | the pointer: JSON with lake_id, publication, run_id, moved_at (epoch seconds) |
| `df:CUSTOMER_ID` | hash | publication number → the customer 360 as JSON, a redirect, or nothing where it is gone |
| `df:i:KIND:HASH` | hash | publication number → the customer ids with that e-mail address, telephone or record |
| `df:publications` | sorted set | publication number, by the time from which readers saw it (epoch seconds) |
| `df:superseded:N` | set | the keys whose older fields readers need no more, once they see publication N |

A reader takes the greatest field that is not above its pointer. Addresses, telephone numbers and record ids are hashed
under a key of the lake: the keys of the cache give none away.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from dataflow.errors import SinkError
from dataflow.tables.published import CUSTOMER_360
from dataflow.tables.subject import KeyedHash

PREFIX = "df:"
POINTER = "df:publication"
PUBLICATIONS = "df:publications"
SUPERSEDED = "df:superseded:"
GONE = b""

_REDIRECT = "_redirect"


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """The publication that readers see; `moved_at` is in epoch seconds."""

    lake_id: str
    publication: int
    run_id: str
    moved_at: float

    def encoded(self) -> bytes:
        return json.dumps(self.__dict__).encode()

    @classmethod
    def decode(cls, value: bytes) -> Pointer:
        """Read a pointer. Raises: SinkError for anything else under its key."""
        try:
            found = json.loads(value)
            return cls(
                lake_id=str(found["lake_id"]),
                publication=int(found["publication"]),
                run_id=str(found["run_id"]),
                moved_at=float(found["moved_at"]),
            )
        except (TypeError, KeyError, ValueError):
            raise SinkError(
                f"The key {POINTER} of the cache does not hold a publication.",
                next_move="Another program writes there: use another database, or `dataflow sinks adopt cache`.",
            ) from None


def read_pointer(client: Any) -> Pointer | None:
    """Return the publication that readers see; None where there is none. Raises: SinkError for another value."""
    value = client.get(POINTER)
    return Pointer.decode(value) if value is not None else None


def customer_key(customer_id: str) -> str:
    return PREFIX + customer_id


def index_key(found_by: KeyedHash) -> str:
    return f"{PREFIX}i:{found_by.kind}:{found_by.digest}"


def superseded_key(publication: int) -> str:
    return f"{SUPERSEDED}{publication}"


def redirect_to(customer_id: str) -> bytes:
    return json.dumps({_REDIRECT: customer_id}).encode()


def pairs(found: Any) -> dict[bytes, bytes]:
    """Return the answer of HGETALL as a dictionary; by its protocol, a pipeline can return a flat list."""
    return found if isinstance(found, dict) else dict(zip(found[::2], found[1::2], strict=True))


def newest_upto(fields: Mapping[bytes, bytes], publication: int) -> bytes | None:
    """Return the value of the greatest field that is not above the publication; None where there is none."""
    seen = [int(number) for number in fields if int(number) <= publication]
    return fields[str(max(seen)).encode()] if seen else None


def outdated(fields: Iterable[bytes], publication: int) -> list[bytes]:
    """Return the fields that a reader at the publication, or at a later one, never takes."""
    seen = [int(number) for number in fields]
    kept = max((number for number in seen if number <= publication), default=publication)
    return [str(number).encode() for number in seen if number < kept]


def read_redirect(value: bytes) -> str | None:
    """Return the customer id to which a value points; None for a value that is a customer, or gone."""
    found = json.loads(value) if value else {}
    return str(found[_REDIRECT]) if _REDIRECT in found else None


def is_customer(value: bytes) -> bool:
    """Return whether a value is a customer: neither gone nor a redirect."""
    return value != GONE and read_redirect(value) is None


def encode_ids(customer_ids: Sequence[str]) -> bytes:
    return json.dumps(list(customer_ids)).encode() if customer_ids else GONE


def decode_ids(value: bytes) -> list[str]:
    return [str(each) for each in json.loads(value)] if value else []


def decode_customer(value: bytes) -> dict[str, Any]:
    """Return a customer's columns with the types of `published.customer_360`.

    Columns that the cached value lacks are left out: it can be of an earlier version of the table.
    """
    found = json.loads(value, parse_float=Decimal)
    kinds = {column.name: column.type for column in CUSTOMER_360.columns}
    return {name: _typed(value, kinds[name]) for name, value in found.items() if name in kinds}


def _typed(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "DOUBLE":
        return float(value)
    if kind.startswith("DECIMAL"):
        return Decimal(value)
    # A year beyond Python's stays the text that DuckDB writes, as at the door.
    if kind == "DATE":
        with suppress(ValueError):
            return date.fromisoformat(value)
    if kind == "TIMESTAMPTZ":
        with suppress(ValueError):
            return datetime.fromisoformat(value)
    return value
