"""The bytes of PyMySQL's connection, and the one module that touches private parts of PyMySQL.

Its cursors make a Python object of every value, and it offers its socket to nobody (PyMySQL 1.2, November 2026);
tests/unit/test_private_parts.py says when these parts move.
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
    """The version of TLS that the connection speaks, as the socket knows it."""
    sock = con._sock
    return str(sock.version()) if isinstance(sock, ssl.SSLSocket) else "none"


def hang_up(con: Connection[Any]) -> None:
    """Disconnect without a goodbye: in the middle of a result there is nobody to hear it.

    And at once: a server whose client is gone, but politely, was measured to go on writing to it for a minute.
    """
    if con._sock is not None:
        # A socket that the other side has ended may take no options any more.
        with suppress(OSError):
            con._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    con._force_close()


def begin_query(con: Connection[Any], query: str) -> list[int]:
    """Send a query, and read the description of its result; returns the type of each column. Its rows come next."""
    result = MySQLResult(con)
    con._execute_command(COMMAND.COM_QUERY, query)
    result.init_unbuffered_query()
    # Its rows are taken off the socket by `reader_of`; it would look for them again.
    result.unbuffered_active = False
    return [int(field.type_code) for field in result.fields]


def reader_of(con: Connection[Any]) -> Callable[[memoryview], int]:
    """Read what PyMySQL's file has taken off the socket already, then straight off the socket.

    (The file's own readinto1 waits for the socket even where it has something, and for a short result nothing comes.)
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
