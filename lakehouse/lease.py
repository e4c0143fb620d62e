"""Leases: shared by writers, exclusive for maintenance, and one holder per name.

A local catalogue has one lock file, held by the process that writes or maintains. On PostgreSQL writers share an
advisory lock that maintenance takes exclusively. The kernel or the server frees both when their holder ends.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.deferred import deferred
from lakehouse.errors import LakeLocked, LakeUnreachable
from lakehouse.location import LakeLocation, PostgresCatalogue
from lakehouse.lock import FileLease

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql
else:
    psycopg = deferred("psycopg")
    sql = deferred("psycopg.sql")

# Long enough not to load the server, short enough to be unnoticeable.
_POLL_SECONDS = 0.1


@contextmanager
def writing(location: LakeLocation, *, purpose: str, alone: bool, wait_seconds: float) -> Iterator[None]:
    """Hold the right to write the lake; `alone` excludes all other writers, as maintenance needs.

    Raises: LakeLocked, LakeUnreachable, LakeUnwritable.
    """
    catalogue = location.catalogue
    if isinstance(catalogue, Path):
        with FileLease(catalogue, "lock").held(purpose, wait_seconds=wait_seconds):
            yield
    else:
        with _advisory(catalogue, "writing", purpose=purpose, shared=not alone, wait_seconds=wait_seconds):
            yield


@contextmanager
def creating(location: LakeLocation, *, purpose: str) -> Iterator[bool]:
    """Let one process at a time create a lake on a server; yield whether there is no catalogue yet.

    Concurrent creation by DuckLake fails. Raises: LakeLocked, LakeUnreachable.
    """
    catalogue = location.catalogue
    if isinstance(catalogue, Path):
        yield not catalogue.exists()
    elif _is_created(catalogue):
        yield False
    else:
        with _advisory(catalogue, "creating", purpose=purpose, shared=False, wait_seconds=60.0):
            # Another process can have created it while this one waited.
            yield not _is_created(catalogue)


def _is_created(catalogue: PostgresCatalogue) -> bool:
    """Return whether the last entry that `Lake.open` writes into a new lake exists."""
    with server_connection(catalogue, purpose="look") as con:
        if con.execute("SELECT to_regclass(%s)", (f'"{catalogue.schema}".ducklake_metadata',)).fetchone() == (None,):
            return False
        options = sql.SQL("SELECT count(*) > 0 FROM {} WHERE key = 'data_inlining_row_limit'").format(
            sql.Identifier(catalogue.schema, "ducklake_metadata")
        )
        return con.execute(options).fetchone() == (True,)


@contextmanager
def lease(location: LakeLocation, name: str, *, purpose: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold a name that one process at a time can hold, e.g. the publisher's, while other writers continue.

    Raises: LakeLocked, LakeUnreachable, LakeUnwritable.
    """
    catalogue = location.catalogue
    if isinstance(catalogue, Path):
        with FileLease(catalogue, f"{name}.lease").held(purpose, wait_seconds=wait_seconds):
            yield
    else:
        with _advisory(catalogue, name, purpose=purpose, shared=False, wait_seconds=wait_seconds):
            yield


@contextmanager
def _advisory(
    catalogue: PostgresCatalogue, name: str, *, purpose: str, shared: bool, wait_seconds: float
) -> Iterator[None]:
    """Hold a session-level advisory lock. It has no effect through a transaction-pooling proxy: connect directly."""
    key = f"{catalogue.database}/{catalogue.schema}/{name}"
    function = "pg_try_advisory_lock_shared" if shared else "pg_try_advisory_lock"
    deadline = time.monotonic() + wait_seconds
    with server_connection(catalogue, purpose=purpose) as con:
        # Polling, not queueing: waiting maintenance must not block the writers behind it.
        while not _first(con, f"SELECT {function}(hashtextextended(%s, 0))", key):
            if time.monotonic() >= deadline:
                raise LakeLocked(
                    f"Taking the {name} lock of {catalogue} for {purpose}: {_holders(con, key)} holds it; "
                    f"waited {wait_seconds:g} s; run again when it is done"
                )
            time.sleep(_POLL_SECONDS)
        yield


@contextmanager
def server_connection(
    catalogue: PostgresCatalogue, *, purpose: str
) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Open a connection to the catalogue's server, in autocommit. Raises: LakeUnreachable, in the block too."""
    try:
        with closing(_connect(catalogue, purpose)) as con:
            yield con
    except psycopg.OperationalError as error:
        raise LakeUnreachable(
            f"Asking the server of the lake at {catalogue}: {_reason(error)}; check that the server runs and that "
            "address and credentials are right, then run again"
        ) from error


def _connect(catalogue: PostgresCatalogue, purpose: str) -> psycopg.Connection[tuple[object, ...]]:
    from psycopg.conninfo import make_conninfo

    described = make_conninfo(
        **catalogue.connection_options,
        application_name=f"lakehouse: {purpose}"[:60],
        connect_timeout=10,
        # The connection is idle for the whole run: keepalives stop firewalls from dropping it.
        keepalives_idle=30,
    )
    return psycopg.connect(described, autocommit=True)


def _first(con: psycopg.Connection[tuple[object, ...]], statement: str, key: str) -> object:
    row = con.execute(statement.encode(), (key,)).fetchone()
    return row[0] if row else None


def _holders(con: psycopg.Connection[tuple[object, ...]], key: str) -> object:
    # pg_locks has an advisory lock's 64-bit key as two halves.
    names = _first(
        con,
        "WITH k AS (SELECT hashtextextended(%s, 0) AS key) "
        "SELECT string_agg(DISTINCT a.application_name || ' (server process ' || a.pid || ')', ', ')"
        " FROM k, pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted"
        " AND l.classid::bigint = (k.key >> 32) & 4294967295 AND l.objid::bigint = k.key & 4294967295",
        key,
    )
    return names or "another process"


def _reason(error: psycopg.OperationalError) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
