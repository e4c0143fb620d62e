"""Connections to a MySQL: TLS 1.3 with verified certificate, in a read-only session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pymysql
from pymysql.connections import Connection

from dataflow.connect.tls import tls_context
from dataflow.settings import MySQLSettings
from dataflow.sources.mysql.error_map import error_number, explained, peer_of
from dataflow.sources.mysql.pymysql_socket import hang_up, tls_version_of

# Times are sent in UTC and quoting is standard, whatever the server's defaults; every transaction is a read-only
# snapshot.
_SESSION = (
    "SET SESSION time_zone = '+00:00', sql_mode = ''",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET SESSION TRANSACTION READ ONLY",
)
_SNAPSHOT = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"


class Session:
    """One connection and its queries."""

    def __init__(self, name: str, settings: MySQLSettings, con: Connection[Any]) -> None:
        self._name = name
        self._settings = settings
        self.con = con

    def ask(self, query: str, *, doing: str) -> list[tuple[Any, ...]]:
        """Run a short query and return all its rows."""
        with explained(doing, self._name, self._settings), self.con.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def ask_named(self, query: str, *, doing: str) -> list[dict[str, Any]]:
        """Run a short query and return its rows by name of column."""
        with explained(doing, self._name, self._settings), self.con.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def attempt(self, query: str, *, refusals: Sequence[int], doing: str) -> list[dict[str, Any]] | int:
        """Run a query that the server can refuse: return its rows by name, or which of these errors it answered."""
        with explained(doing, self._name, self._settings), self.con.cursor(pymysql.cursors.DictCursor) as cursor:
            try:
                cursor.execute(query)
            except pymysql.MySQLError as error:
                if error_number(error) in refusals:
                    return error_number(error)
                raise
            return list(cursor.fetchall())

    def begin_snapshot(self, *, doing: str) -> None:
        """Start a consistent snapshot: all later reads see the current state."""
        self.ask(_SNAPSHOT, doing=doing)

    @property
    def tls_version(self) -> str:
        """Return the TLS version of the connection."""
        return tls_version_of(self.con)


@contextmanager
def open_session(name: str, settings: MySQLSettings, *, doing: str) -> Iterator[Session]:
    """Connect, and disconnect at the end of the block.

    Raises: SourceUnavailable, SourceRefused, SourceMissing, ConfigurationError for an unusable ca_file.
    """
    context = tls_context(settings.ca_file, setting=peer_of(name).ca_file)
    with explained(doing, name, settings):
        con = pymysql.connect(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            password=settings.password.get_secret_value(),
            database=settings.database,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=settings.connect_timeout_seconds,
            read_timeout=settings.read_timeout_seconds,
            ssl=context,
        )
    session = Session(name, settings, con)
    try:
        for statement in _SESSION:
            session.ask(statement, doing=doing)
        yield session
    finally:
        hang_up(con)


def quote(identifier: str) -> str:
    """Quote one identifier."""
    return "`" + identifier.replace("`", "``") + "`"


def literal(text: str) -> str:
    """Quote one text, with backslashes escaped."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
