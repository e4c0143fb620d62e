"""The calls to an org: describe, queries and their pages, the log of deletions, limits. One connection per org."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from simple_salesforce.api import Salesforce, SFType

from dataflow.errors import SourceMalformed, SourceUnavailable
from dataflow.settings import SalesforceSettings
from dataflow.sources.protocol import Window
from dataflow.sources.salesforce.session import OrgSession
from dataflow.sources.salesforce.soql import named

_DESCRIBE_SECONDS = 600.0
"""How long a description is cached: a run that plans and fetches asks once. Each plan asks again."""


@dataclass(frozen=True)
class Page:
    """One page of a query. Numbers in its records are text, so that they lose no digits."""

    records: list[dict[str, Any]]
    total: int
    next_address: str


@dataclass
class Connection:
    """The process's connection to an org: one session for all threads."""

    settings: SalesforceSettings
    expected: dict[tuple[str, Window], int] = field(default_factory=dict)
    """Rows that planning counted, by object and window."""

    def __post_init__(self) -> None:
        self.session = OrgSession(self.settings)
        self._lock = threading.Lock()
        self._org: Salesforce | None = None
        self._described: dict[str, tuple[float, dict[str, Any]]] = {}

    @property
    def org(self) -> Salesforce:
        """Return the library's client of the org, which has its addresses."""
        with self._lock:
            if self._org is None:
                token = self.session.sign_in()
                self._org = Salesforce(
                    session_id=token,
                    instance=self.session.instance,
                    version=self.settings.api_version,
                    session=self.session,
                )
            return self._org

    def now(self) -> datetime:
        """Return when the org last answered, by its own clock."""
        return self.session.clock or datetime.now(UTC)

    def describe(self, name: str) -> Mapping[str, Any]:
        """Describe an object. Raises: SourceMissing."""
        described: dict[str, Any] = self._object(name).describe()
        self._described[name] = (time.monotonic(), described)
        return described

    def described(self, name: str) -> Mapping[str, Any]:
        """Return the description of an object, from the cache while it is recent."""
        asked, known = self._described.get(name, (0.0, {}))
        return known if known and time.monotonic() - asked < _DESCRIBE_SECONDS else self.describe(name)

    def list_objects(self) -> list[Mapping[str, Any]]:
        """Return all objects that the user can see."""
        return list((self.org.describe() or {}).get("sobjects", []))

    def limits(self) -> Mapping[str, Any]:
        return dict(self.org.limits())

    def query(self, text: str, *, with_deleted: bool) -> Page:
        """Run a query; the first page has the number of rows."""
        what = "queryAll" if with_deleted else "query"
        return _page(self.session.get(f"{self.org.base_url}{what}", params={"q": text}).text)

    def more(self, address: str) -> Page:
        """Get the next page by the address in the previous one."""
        return _page(self.session.get(self.address(address)).text)

    def count(self, text: str, *, with_deleted: bool) -> int:
        """Answer a COUNT() query."""
        return self.query(text, with_deleted=with_deleted).total

    def deleted(self, name: str, start: datetime, until: datetime) -> Mapping[str, Any]:
        """Read the log of deletions; both ends are whole seconds."""
        answer: dict[str, Any] = self._object(name).deleted(start, until)
        return answer

    def address(self, path: str) -> str:
        """Return the full address of a path from the org. The host is always the org's: no other gets the token."""
        return f"https://{self.session.instance}{path}"

    def _object(self, name: str) -> SFType:
        return SFType(
            named(name),
            self.session.sign_in(),
            self.session.instance,
            sf_version=self.settings.api_version,
            session=self.session,
        )


_connections: dict[SalesforceSettings, Connection] = {}
_opening = threading.Lock()


def open_connection(settings: SalesforceSettings) -> Connection:
    """Return the process's connection to an org: sources are opened per window, and must not sign in each time."""
    with _opening:
        if settings not in _connections:
            _connections[settings] = Connection(settings)
        return _connections[settings]


def close_connections() -> None:
    """Close all connections; the next use opens new ones."""
    with _opening:
        for one in _connections.values():
            one.session.close()
        _connections.clear()


def _page(text: str) -> Page:
    try:
        answer = json.loads(text, parse_int=str, parse_float=str)
        total, records = int(answer["totalSize"]), answer["records"]
        done = answer["done"]
    except (ValueError, KeyError, TypeError):
        raise SourceMalformed(
            "Asking Salesforce for query: the answer is not a page of records.",
            next_move="Check where endpoint and proxy lead.",
        ) from None
    following = "" if done else str(answer.get("nextRecordsUrl", ""))
    if not done and not following:
        raise SourceUnavailable(
            "Asking Salesforce for query: a page is not the last and names no next one.", next_move="Run again."
        )
    return Page(records, total, following)
