"""What a MySQL answers when it does not answer: which error it is for us, and what to do about it.

The server's own words are not repeated: they may quote a value of a row. Its number says as much.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pymysql

from dataflow.errors import SourceError, SourceMalformed, SourceMissing, SourceRefused, SourceUnavailable
from dataflow.settings import MySQLSettings

_Answer = tuple[type[SourceError], str, str]

_AGAIN = "Run again; it may heal by itself."
_GRANT = "Let its administrator grant SELECT on what is read to this user, and nothing else."
_ANSWERS: dict[int, _Answer] = {
    1045: (SourceRefused, "it refuses the user or the password", "Correct user and password under {section}."),
    1698: (SourceRefused, "it refuses the user or the password", "Let this user log in with a password."),
    1130: (SourceRefused, "it does not let this machine in", "Let its administrator allow this machine's address."),
    1044: (SourceRefused, "the user may not use the database {database}", _GRANT),
    1142: (SourceRefused, "the user may not read a table", _GRANT),
    1143: (SourceRefused, "the user may not read a column", _GRANT),
    1227: (SourceRefused, "the user lacks a privilege", "Let its administrator grant REPLICATION CLIENT to this user."),
    1820: (SourceRefused, "the password has run out", "Set a new one there and under {section}."),
    1862: (SourceRefused, "the password has run out", "Set a new one there and under {section}."),
    1049: (SourceMissing, "it has no database {database}", "Correct database under {section}."),
    1146: (SourceMissing, "a table is not there", "Correct the object's remote in dataflow.toml."),
    1054: (SourceUnavailable, "a column went away while it was read", _AGAIN),
    1412: (SourceUnavailable, "the table was altered while it was read", _AGAIN),
    1040: (SourceUnavailable, "it has no connection left", _AGAIN),
    1203: (SourceUnavailable, "the user has no connection left", _AGAIN),
    1053: (SourceUnavailable, "it is shutting down", _AGAIN),
    1205: (SourceUnavailable, "it waited too long for a lock", _AGAIN),
    1213: (SourceUnavailable, "it gave way in a deadlock", _AGAIN),
    1317: (SourceUnavailable, "somebody stopped the query", _AGAIN),
    1927: (SourceUnavailable, "somebody closed the connection", _AGAIN),
    1969: (SourceUnavailable, "the query took longer than it allows", "Lower chunk_rows under {section}."),
    3024: (SourceUnavailable, "the query took longer than it allows", "Lower chunk_rows under {section}."),
}
_LOST = frozenset({0, 2003, 2005, 2006, 2013, 2014, 2055})
_NO_TLS = 2026


@contextmanager
def explained(doing: str, name: str, settings: MySQLSettings) -> Iterator[None]:
    """Turn what PyMySQL and the socket raise into errors of a source. `doing` begins the message."""
    try:
        yield
    except pymysql.MySQLError as error:
        # No cause is chained: its text may hold a value, and logs print causes.
        raise _from_server(error, doing, name, settings) from None
    except OSError as error:
        raise _from_socket(error, doing, name, settings) from None


def error_number(error: pymysql.MySQLError) -> int:
    """The server's number of an error, or the client's; 0 where it states none."""
    first = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0


def _from_server(error: pymysql.MySQLError, doing: str, name: str, settings: MySQLSettings) -> SourceError:
    cause = getattr(error, "original_exception", None)
    if isinstance(cause, OSError):
        return _from_socket(cause, doing, name, settings)
    number = error_number(error)
    if number == _NO_TLS:
        return _worded((SourceRefused, "it offers no TLS", "Let it offer TLS 1.3."), doing, name, settings)
    if number in _LOST:
        return _worded((SourceUnavailable, "the connection was lost", _AGAIN), doing, name, settings)
    unknown = (SourceMalformed, f"it answers with error {number}", "Look the number up in the server's manual.")
    return _worded(_ANSWERS.get(number, unknown), doing, name, settings)


def _from_socket(error: OSError, doing: str, name: str, settings: MySQLSettings) -> SourceError:
    return _worded(_of_socket(error), doing, name, settings)


def _of_socket(error: OSError) -> _Answer:
    if isinstance(error, ssl.SSLCertVerificationError):
        return SourceRefused, f"its certificate does not hold: {error.verify_message}", _certificate_move(error)
    if isinstance(error, ssl.SSLEOFError):
        return SourceUnavailable, "the connection was lost", _AGAIN
    if isinstance(error, ssl.SSLError):
        found = f"it does not agree on TLS 1.3 ({(error.reason or 'no reason').lower().replace('_', ' ')})"
        return SourceRefused, found, "Let it offer TLS 1.3 (MySQL from 8.0.16, MariaDB from 10.4); older is refused."
    if isinstance(error, socket.gaierror):
        return SourceUnavailable, "there is no such host", "Correct host under {section}."
    if isinstance(error, TimeoutError):
        return SourceUnavailable, "it does not answer in time", "Check host, port and the firewall under {section}."
    if isinstance(error, ConnectionRefusedError):
        return SourceUnavailable, "nothing listens there", "Check host and port under {section}, and that it runs."
    return SourceUnavailable, f"the connection failed ({error.strerror or type(error).__name__})", _AGAIN


def _certificate_move(error: ssl.SSLCertVerificationError) -> str:
    if "expired" in error.verify_message:
        return "Let its administrator renew the certificate."
    if "mismatch" in error.verify_message or "not valid for" in error.verify_message:
        return "Name it in host under {section} as the certificate does."
    return "Put the authority that signed it into ca_file under {section}."


def _worded(answer: _Answer, doing: str, name: str, settings: MySQLSettings) -> SourceError:
    kind, found, move = answer
    words = {"section": f"[sources.{name}.mysql]", "database": settings.database}
    place = f"{settings.host}:{settings.port}"
    return kind(f"{doing} at {place}: {found.format(**words)}.", next_move=move.format(**words))
