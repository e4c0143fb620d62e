"""Rows of a running query, some thousands at a time, as the server sends them.

PyMySQL makes a Python object of every value: ten seconds of work for a million rows of twelve columns where the
server needs one. Here the bytes come off its socket as they are, and what becomes of the values in them is left to
those who take them. No thread reads ahead: that is what the socket's own buffer is for, and two threads that hand
Python's lock to and fro were measured to work a third more for the same time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pymysql
from pymysql.connections import Connection, MySQLResult
from pymysql.constants import COMMAND

from dataflow.sources.mysql.cells import Cells, find_cells
from dataflow.sources.mysql.wire import Read, split_rows

_READ_BYTES = 64 * 1024
_ALTERED = 1412
"""What the server itself answers when a table was altered after a transaction began."""


def stream_rows(con: Connection[Any], query: str, *, kinds: Sequence[frozenset[int]]) -> Iterator[Cells]:
    """Run a query and yield its rows, some thousands at a time, every value as the server's text.

    `kinds` says for each column which of the protocol's types it may have; an empty set allows any. The
    connection is of no use afterwards unless all was consumed.
    Raises: pymysql.MySQLError, also for a table that is not what it was any more; OSError.
    """
    result = MySQLResult(con)
    con._execute_command(COMMAND.COM_QUERY, query)
    result.init_unbuffered_query()
    # Its rows are taken off the socket here; it would look for them again.
    result.unbuffered_active = False
    found = [field.type_code for field in result.fields]
    if len(found) != len(kinds) or any(
        allowed and code not in allowed for code, allowed in zip(found, kinds, strict=True)
    ):
        raise pymysql.OperationalError(_ALTERED, "the columns are not those that were described")
    for block in split_rows(_reader(con)):
        yield find_cells(block, len(kinds))


def _reader(con: Connection[Any]) -> Read:
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
