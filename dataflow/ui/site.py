"""What all requests of one workbench share: settings, sessions, who is at the machine, the places for reading."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dataflow.access.identify import identify, roles_of
from dataflow.access.pool import ConnectionPool
from dataflow.access.roles import role_names
from dataflow.access.who import TOKEN, Who
from dataflow.settings import Settings
from dataflow.settings.roles import ENGINEER
from dataflow.ui.commands import Starter
from dataflow.ui.sessions import OneTimeToken, Sessions

READERS = 4
"""Pages that read at the same time: each opens DuckDB with threads and memory of its own."""
_WAIT_SECONDS = 20.0


class Busy(Exception):
    """Too many pages are being read."""


@dataclass(kw_only=True)
class Site:
    """One running workbench. `say` writes a line to the terminal that it was started from."""

    settings: Settings
    port: int
    say: Callable[[str], None]
    sessions: Sessions = field(default_factory=Sessions)
    token: OneTimeToken = field(default_factory=OneTimeToken)
    pool: ConnectionPool = field(default_factory=ConnectionPool)
    verified: dict[str, Any] | None = None
    """What the last verification of the access log found, and when."""
    probed: dict[str, Any] | None = None
    """What the doctor found last."""
    drift: dict[str, Any] | None = None
    """The fields that differ between the sources and dataflow.toml, as they were asked for last."""
    tested: dict[str, Any] | None = None
    """What the examples of rules did last."""
    starter: Starter = field(default_factory=Starter)
    _places: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(READERS))

    @property
    def hosts(self) -> tuple[str, ...]:
        """Return the values of the Host header that are answered."""
        return (f"127.0.0.1:{self.port}", f"localhost:{self.port}")

    @property
    def cookie(self) -> str:
        """Return the name of the cookie: browsers send those of every port of a host to all."""
        return f"dataflow_{self.port}"

    def now(self) -> datetime:
        return datetime.now(UTC)

    def close(self) -> None:
        """Close the kept connections, and forget the run that was started; it goes on."""
        self.pool.close()
        self.starter.close()

    def announce(self) -> str:
        """Write the address with a new one-time token to the terminal; return it."""
        address = f"http://127.0.0.1:{self.port}/sign-in?token={self.token.issue()}"
        self.say(address)
        return address

    def reader(self) -> tuple[Who, tuple[str, ...]]:
        """Return who uses the workbench on this machine, and the roles that the person can look through.

        Raises: AccessRefused, UsageError, ConfigurationError.
        """
        who = identify(self.settings, door="ui-home")
        if who.authenticated == TOKEN:
            return who, (who.role,)
        own = roles_of(who.name, self.settings)
        return who, tuple(role_names(self.settings) if ENGINEER in own else own)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Wait for a place to read. Raises: Busy."""
        if not self._places.acquire(timeout=_WAIT_SECONDS):
            raise Busy
        try:
            yield
        finally:
            self._places.release()
