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
from pymysql.connections import Connection

from dataflow.sources.mysql.cells import Cells, find_cells
from dataflow.sources.mysql.pymysql_socket import begin_query, reader_of
from dataflow.sources.mysql.wire import split_rows

_ALTERED = 1412
"""What the server itself answers when a table was altered after a transaction began."""


def stream_rows(con: Connection[Any], query: str, *, kinds: Sequence[frozenset[int]]) -> Iterator[Cells]:
    """Run a query and yield its rows, some thousands at a time, every value as the server's text.

    `kinds` says for each column which of the protocol's types it may have; an empty set allows any. The
    connection is of no use afterwards unless all was consumed.
    Raises: pymysql.MySQLError, also for a table that is not what it was any more; OSError.
    """
    found = begin_query(con, query)
    if len(found) != len(kinds) or any(
        allowed and code not in allowed for code, allowed in zip(found, kinds, strict=True)
    ):
        raise pymysql.OperationalError(_ALTERED, "the columns are not those that were described")
    for block in split_rows(reader_of(con)):
        yield find_cells(block, len(kinds))
