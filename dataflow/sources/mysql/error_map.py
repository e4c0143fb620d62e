"""Map MySQL and socket errors to SourceError classes.

The server's message is not repeated, because it can quote a value of a row; its number identifies the error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pymysql

from dataflow.connect.tls import AGAIN, Peer, explain_connection
from dataflow.errors import SourceError, SourceMalformed, SourceMissing, SourceRefused, SourceUnavailable
from dataflow.settings import MySQLSettings

_Answer = tuple[type[SourceError], str, str]

_GRANT = "Let its administrator grant this user SELECT on the declared tables, and nothing else."
_ANSWERS: dict[int, _Answer] = {
    1045: (SourceRefused, "it refuses the user or the password", "Correct user and password under {section}."),
    1698: (SourceRefused, "it refuses the user or the password", "Let this user log in with a password."),
    1130: (
        SourceRefused,
        "it does not allow this machine to connect",
        "Let its administrator allow this machine's address.",
    ),
    1044: (SourceRefused, "the user may not use the database {database}", _GRANT),
    1142: (SourceRefused, "the user may not read a table", _GRANT),
    1143: (SourceRefused, "the user may not read a column", _GRANT),
    1227: (SourceRefused, "the user lacks a privilege", "Let its administrator grant REPLICATION CLIENT to this user."),
    1820: (SourceRefused, "the password has expired", "Set a new one there and under {section}."),
    1862: (SourceRefused, "the password has expired", "Set a new one there and under {section}."),
    1049: (SourceMissing, "it has no database {database}", "Correct database under {section}."),
    1146: (SourceMissing, "a table does not exist", "Correct the object's remote in dataflow.toml."),
    1054: (SourceUnavailable, "a column was dropped while it was read", AGAIN),
    1412: (SourceUnavailable, "the table was altered while it was read", AGAIN),
    1040: (SourceUnavailable, "it has no connection left", AGAIN),
    1203: (SourceUnavailable, "the user has no connection left", AGAIN),
    1053: (SourceUnavailable, "it is shutting down", AGAIN),
    1205: (SourceUnavailable, "it waited too long for a lock", AGAIN),
    1213: (SourceUnavailable, "it was the victim of a deadlock", AGAIN),
    1317: (SourceUnavailable, "the query was stopped", AGAIN),
    1927: (SourceUnavailable, "the connection was closed", AGAIN),
    1969: (SourceUnavailable, "the query took longer than it allows", "Lower chunk_rows under {section}."),
    3024: (SourceUnavailable, "the query took longer than it allows", "Lower chunk_rows under {section}."),
}
_LOST = frozenset({0, 2003, 2005, 2006, 2013, 2014, 2055})
_NO_TLS = 2026


@contextmanager
def explained(doing: str, name: str, settings: MySQLSettings) -> Iterator[None]:
    """Turn errors of PyMySQL and the socket into errors of a source; `doing` begins the message."""
    try:
        yield
    except (pymysql.MySQLError, OSError) as error:
        # No cause is chained: its text can contain a value, and logs print causes.
        raise _worded(_meaning(error, name), doing, name, settings) from None


def error_number(error: pymysql.MySQLError) -> int:
    """Return the server's or the client's number of an error; 0 where it has none."""
    first = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0


def peer_of(name: str) -> Peer:
    """Return the settings that a connection error refers to."""
    section = f"[sources.{name}.mysql]"
    return Peer(host=f"host and port under {section}", ca_file=f"ca_file under {section}")


def _meaning(error: pymysql.MySQLError | OSError, name: str) -> _Answer:
    failure = explain_connection(error, peer_of(name))
    if failure is not None:
        return failure.kind, failure.found, failure.next_move
    if isinstance(error, OSError):
        return SourceUnavailable, f"the connection failed ({type(error).__name__})", AGAIN
    number = error_number(error)
    if number == _NO_TLS:
        return SourceRefused, "it offers no TLS", "Let it offer TLS 1.3 (MySQL from 8.0.16, MariaDB from 10.4)."
    if number in _LOST:
        return SourceUnavailable, "the connection was lost", AGAIN
    unknown = (SourceMalformed, f"it answers with error {number}", "Look the number up in the server's manual.")
    return _ANSWERS.get(number, unknown)


def _worded(answer: _Answer, doing: str, name: str, settings: MySQLSettings) -> SourceError:
    kind, found, move = answer
    words = {"section": f"[sources.{name}.mysql]", "database": settings.database}
    place = f"{settings.host}:{settings.port}"
    return kind(f"{doing} at {place}: {found.format(**words)}.", next_move=move.format(**words))
