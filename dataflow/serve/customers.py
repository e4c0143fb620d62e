"""Read one customer, or those with an e-mail address, a telephone number or a source record.

The cache answers where there is one; what it does not know, or while it cannot be reached, is asked of the lake through
the door before the answer is "unknown".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from duckdb import DuckDBPyConnection

from dataflow.access.door import open_for
from dataflow.access.doors import DOORS
from dataflow.access.identify import refusal
from dataflow.access.log.recorder import Recorder
from dataflow.access.roles import find_role
from dataflow.access.who import Purpose, Who
from dataflow.conform.emails import normalise_email
from dataflow.conform.phones import read_phones
from dataflow.errors import AccessRefused, SinkError, UsageError
from dataflow.serve.from_cache import CachedCustomers
from dataflow.serve.from_lake import customer_in_lake, ids_in_lake
from dataflow.settings import Settings
from dataflow.tables.published import CUSTOMER_360
from lakehouse import LakeView

T = TypeVar("T")

# A cache that cannot be reached is not asked again at once: each question would wait for it.
_LEFT_ALONE_SECONDS = 5.0

DOOR = "customer"
FoundIn = Literal["cache", "lake"]


@dataclass(frozen=True, kw_only=True)
class Customer:
    """One customer as published. `values` are the columns of published.customer_360, with their types.

    `asked_for` is the id that was asked for: another one where that was merged into this customer.
    """

    customer_id: str
    values: Mapping[str, Any]
    publication: int
    found_in: FoundIn
    asked_for: str

    def __repr__(self) -> str:
        """Name the id only: a log must not show a person's values."""
        return f"Customer({self.customer_id}, publication {self.publication}, from the {self.found_in})"


class Customers:
    """Customers for applications. Keep one for the life of a process; its methods can be called by several threads.

    Example:
        with Customers(settings, who) as customers:
            found = customers.get("c-4711")
    """

    def __init__(self, settings: Settings, who: Who, *, purpose: Purpose = Purpose.OPERATION) -> None:
        # Cache and lake hold customers unmasked.
        role = find_role(who.role, settings)
        if why := refusal(role, None):
            raise AccessRefused(f"The role {role.name} cannot look customers up: {why}.")
        self._settings, self._who, self._purpose = settings, who, purpose
        self._cache = CachedCustomers(settings) if settings.cache.url else None
        self._cache_asked_from = 0.0

    def get(self, customer_id: str) -> Customer | None:
        """Return the customer with an id, or the one that it was merged into; None where there is none.

        Raises: LakeUnreachable before the first publication; ConfigurationError.
        """
        found = self._ask_cache(lambda cache: cache.get(customer_id), about=lambda found: [found[1]])
        if found is None:
            return next(iter(self._from_lake(lambda _: [customer_id])), None)
        publication, current_id, values = found
        return Customer(
            customer_id=current_id, values=values, publication=publication, found_in="cache", asked_for=customer_id
        )

    def find(self, *, email: str | None = None, phone: str | None = None, record: str | None = None) -> list[Customer]:
        """Return the customers with an e-mail address, a telephone number or a source record, in the order of ids.

        `phone` is international, `+44 20 7946 0958`; `record` is `source.object:key`, as `salesforce.contact:003A1`.
        Raises: UsageError unless exactly one is given and can be read; as `get`.
        """
        kind, value = read_search(email=email, phone=phone, record=record)
        if cached := self._ask_cache(lambda cache: cache.find(kind, value), about=list):
            found = [self.get(customer_id) for customer_id in cached]
            return [customer for customer in found if customer is not None]
        return self._from_lake(lambda con: ids_in_lake(con, kind, value))

    async def aget(self, customer_id: str) -> Customer | None:
        """Do as `get`, in a thread."""
        return await asyncio.to_thread(self.get, customer_id)

    async def afind(
        self, *, email: str | None = None, phone: str | None = None, record: str | None = None
    ) -> list[Customer]:
        """Do as `find`, in a thread."""
        return await asyncio.to_thread(lambda: self.find(email=email, phone=phone, record=record))

    def close(self) -> None:
        """Close the connections to the cache."""
        if self._cache is not None:
            self._cache.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask_cache(self, ask: Callable[[CachedCustomers], T | None], *, about: Callable[[T], list[str]]) -> T | None:
        """Return the cache's answer, on record in the access log; None without one: the lake has the same customers."""
        if self._cache is None or time.monotonic() < self._cache_asked_from:
            return None
        kind = DOORS.find(DOOR)
        recorder = Recorder(self._settings, self._who, kind, purpose=self._purpose, as_of=None, masked=False)
        try:
            with recorder.watching():
                recorder.own_statement(f"FROM {CUSTOMER_360.full_name}")
                found = ask(self._cache)
                if found:
                    customer_ids = about(found)
                    recorder.own_rows(len(customer_ids))
                    recorder.about(customer_ids)
                return found
        except SinkError:
            self._cache_asked_from = time.monotonic() + _LEFT_ALONE_SECONDS
            return None

    def _from_lake(self, ids: Callable[[DuckDBPyConnection], list[str]]) -> list[Customer]:
        """Return the customers with the ids that a search of the lake gives."""
        customers = []
        with open_for(self._who, self._purpose, door=DOOR, settings=self._settings, reads=None) as door:
            view = LakeView(door.con, door.location)
            publication = view.last_change_in("published") or view.snapshot().id
            for asked_for in ids(door.con):
                values = customer_in_lake(door.con, asked_for)
                if values is None:
                    continue
                customer_id = str(values["customer_id"])
                door.recorder.about([customer_id])
                customers.append(
                    Customer(
                        customer_id=customer_id,
                        values=values,
                        publication=publication,
                        found_in="lake",
                        asked_for=asked_for,
                    )
                )
        return customers


def read_search(*, email: str | None, phone: str | None, record: str | None) -> tuple[str, str]:
    """Return what is searched for as kind (email, phone, record) and value, as published. Raises: UsageError."""
    given = {kind: text for kind, text in (("email", email), ("phone", phone), ("record", record)) if text is not None}
    if len(given) != 1:
        raise UsageError(
            f"A search takes one of email, phone and record; {len(given)} were given.",
            next_move="Give one of them; `get` takes a customer id.",
        )
    [(kind, text)] = given.items()
    if kind == "email":
        address = normalise_email(text)
        if address is None:
            raise UsageError(
                "The text has no e-mail address that a customer can have.",
                next_move="Write it as jane@example.org; a placeholder, such as nobody@example.org, is not indexed.",
            )
        return kind, address.email
    if kind == "phone":
        numbers = read_phones(text, None)
        if len(numbers) != 1:
            raise UsageError(
                "The text is not one international telephone number.",
                next_move="Write it with + and the country's code: +44 20 7946 0958.",
            )
        return kind, numbers[0]
    return kind, _record_id(text)


def _record_id(text: str) -> str:
    place, colon, key = text.partition(":")
    source, dot, name = place.partition(".")
    if not (colon and dot and source and name and key):
        raise UsageError(
            "The text does not name a source record.",
            next_move="Write it as source.object:key, such as salesforce.contact:003A1.",
        )
    return f"{source}|{name}|{key}"
