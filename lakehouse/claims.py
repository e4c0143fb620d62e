"""Claims on a lake's server: who is at work, seen by all machines, and known to have ended when its process has.

A claim is a row beside the catalogue, and an advisory lock that its process holds over a connection of its own. The
server frees the lock when the process ends or its machine is lost; the row stays, and says who it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Thread
from typing import TYPE_CHECKING, cast

from lakehouse.deferred import deferred
from lakehouse.errors import LakeLocked
from lakehouse.lease import server_connection
from lakehouse.location import PostgresCatalogue

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql
else:
    psycopg = deferred("psycopg")
    sql = deferred("psycopg.sql")

_TABLE = "lakehouse_claim"
_SEEN_EVERY_SECONDS = 10.0
# pg_locks has an advisory lock's 64-bit key as two halves.
_IS_HELD = """EXISTS (
    SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.classid::bigint = (hashtextextended({prefix} || name, 0) >> 32) & 4294967295
        AND l.objid::bigint = hashtextextended({prefix} || name, 0) & 4294967295)"""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim. `is_held`: its process is at work; else it ended without giving the claim up."""

    name: str
    owner: str
    claimed_at: datetime
    seen_at: datetime
    is_held: bool


class HeldClaim:
    """A claim of this process."""

    def __init__(self, con: psycopg.Connection[tuple[object, ...]], catalogue: PostgresCatalogue, name: str) -> None:
        self._con, self._catalogue, self._name = con, catalogue, name

    def require(self) -> None:
        """Raise LakeLocked unless the claim is still held.

        A process that was cut off from the server for long can have been taken for one that ended.
        """
        try:
            row = self._execute("SELECT {held} FROM {table} WHERE name = %s").fetchone()
        except psycopg.Error:
            row = None
        if row is None or not row[0]:
            raise LakeLocked(
                f"Going on with {self._name}: this process was cut off from the server of {self._catalogue}, which "
                "gave its claim up; nothing was committed since; run again"
            )

    def seen(self) -> None:
        """Note that the process is at work."""
        self._execute("UPDATE {table} SET seen_at = now() WHERE name = %s")

    def write(self, owner: str) -> None:
        """Write the row of the claim; one that a process left which ended is taken over."""
        upsert = (
            "INSERT INTO {table} VALUES (%s, %s, now(), now())"
            " ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, seen_at = now()"
        )
        self._con.execute(_statement(self._catalogue, upsert), [self._name, owner])

    def give_up(self) -> None:
        """Remove the row."""
        self._execute("DELETE FROM {table} WHERE name = %s")

    def _execute(self, text: str) -> psycopg.Cursor[tuple[object, ...]]:
        return self._con.execute(_statement(self._catalogue, text), [self._name])


@contextmanager
def claiming(catalogue: PostgresCatalogue, name: str, *, owner: str) -> Iterator[HeldClaim]:
    """Hold a claim while the block runs. Raises: LakeLocked where the name is claimed, LakeUnreachable."""
    with server_connection(catalogue, purpose=name) as con:
        _create(con, catalogue)
        key = _prefix(catalogue) + name
        if con.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [key]).fetchone() != (True,):
            raise LakeLocked(f"Claiming {name} at {catalogue}: another process holds it")
        held = HeldClaim(con, catalogue, name)
        held.write(owner)
        try:
            with _being_seen(held):
                yield held
        finally:
            with suppress(psycopg.Error):
                held.give_up()


def read_claims(catalogue: PostgresCatalogue) -> list[Claim]:
    """Return all claims by name; none where nothing was ever claimed. Raises: LakeUnreachable."""
    with server_connection(catalogue, purpose="look") as con:
        if not _exists(con, catalogue):
            return []
        try:
            rows = con.execute(
                _statement(catalogue, "SELECT name, owner, claimed_at, seen_at, {held} FROM {table} ORDER BY name")
            ).fetchall()
        except psycopg.errors.InsufficientPrivilege:
            # Of a readers' role that was granted its rights before the first claim.
            return []
    return [
        Claim(
            name=str(name),
            owner=str(owner),
            claimed_at=cast(datetime, claimed_at),
            seen_at=cast(datetime, seen_at),
            is_held=bool(is_held),
        )
        for name, owner, claimed_at, seen_at, is_held in rows
    ]


def drop_claims(catalogue: PostgresCatalogue, names: Iterable[str]) -> None:
    """Remove claims whose processes have ended; one that is held stays. Raises: LakeUnreachable."""
    with server_connection(catalogue, purpose="look") as con:
        con.execute(_statement(catalogue, "DELETE FROM {table} WHERE name = ANY(%s) AND NOT {held}"), [list(names)])


@contextmanager
def _being_seen(held: HeldClaim) -> Iterator[None]:
    ended = Event()

    def note() -> None:
        while not ended.wait(_SEEN_EVERY_SECONDS):
            with suppress(psycopg.Error):
                held.seen()

    thread = Thread(target=note, name="claim", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _create(con: psycopg.Connection[tuple[object, ...]], catalogue: PostgresCatalogue) -> None:
    if _exists(con, catalogue):
        return
    columns = (
        "name text PRIMARY KEY, owner text NOT NULL, claimed_at timestamptz NOT NULL, seen_at timestamptz NOT NULL"
    )
    # Of two that create it at the same time one can fail.
    with suppress(psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable):
        con.execute(_statement(catalogue, f"CREATE TABLE IF NOT EXISTS {{table}} ({columns})"))


def _exists(con: psycopg.Connection[tuple[object, ...]], catalogue: PostgresCatalogue) -> bool:
    found = con.execute(
        "SELECT FROM information_schema.tables WHERE table_schema = %s AND table_name = %s", [catalogue.schema, _TABLE]
    )
    return found.fetchone() is not None


def _statement(catalogue: PostgresCatalogue, text: str) -> sql.Composed:
    held = sql.SQL(_IS_HELD).format(prefix=sql.Literal(_prefix(catalogue)))
    return sql.SQL(text).format(table=sql.Identifier(catalogue.schema, _TABLE), held=held)


def _prefix(catalogue: PostgresCatalogue) -> str:
    return f"{catalogue.database}/{catalogue.schema}/claim/"
