"""The bytes of PyMySQL's connection, and the one module that touches private parts of PyMySQL.

PyMySQL's cursors make a Python object of every value, and its socket is private (PyMySQL 1.2, November 2026);
tests/unit/test_private_parts.py fails when these parts move.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pymysql.connections import Connection, MySQLResult
from pymysql.constants import COMMAND

_READ_BYTES = 64 * 1024


def tls_version_of(con: Connection[Any]) -> str:
    """Return the TLS version of the connection."""
    sock = con._sock
    return str(sock.version()) if isinstance(sock, ssl.SSLSocket) else "none"


def hang_up(con: Connection[Any]) -> None:
    """Disconnect immediately, without MySQL's closing message, which the server ignores in the middle of a result.

    After an orderly close the server goes on writing for a minute (measured).
    """
    if con._sock is not None:
        # A socket closed by the other side can refuse options.
        with suppress(OSError):
            con._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    con._force_close()


def begin_query(con: Connection[Any], query: str) -> list[int]:
    """Send a query and read the description of its result; return the type of each column. Rows follow on the wire."""
    result = MySQLResult(con)
    con._execute_command(COMMAND.COM_QUERY, query)
    result.init_unbuffered_query()
    # `reader_of` reads the rows off the socket; the result must not look for them again.
    result.unbuffered_active = False
    return [int(field.type_code) for field in result.fields]


def reader_of(con: Connection[Any]) -> Callable[[memoryview], int]:
    """Return a reader of the bytes that PyMySQL's file has buffered, then of the socket itself.

    (The file's own readinto1 waits for the socket even when it has buffered bytes; after a short result it blocks.)
    """
    waiting = memoryview(con._rfile.read1(_READ_BYTES))

    def read(room: memoryview) -> int:
        nonlocal waiting
        if not waiting:
            return int(con._rfile.raw.readinto(room))
        got = min(len(waiting), len(room))
        room[:got], waiting = waiting[:got], waiting[got:]
        return got

    return read
