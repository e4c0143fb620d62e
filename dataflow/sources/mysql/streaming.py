"""Rows of a running query, some thousands at a time, as the server sends them.

PyMySQL makes a Python object of every value: ten seconds of work for a million rows of twelve columns where the
server needs one. Here a thread takes the bytes off the socket and finds the values in them, and what becomes of these
is left to those who take them.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import pymysql
from pymysql.connections import Connection, MySQLResult
from pymysql.constants import COMMAND

from dataflow.sources.mysql.cells import Cells, find_cells
from dataflow.sources.mysql.wire import split_rows

_BLOCKS_AHEAD = 4
_ALTERED = 1412
"""What the server itself answers when a table was altered after a transaction began."""


def stream_rows(con: Connection[Any], query: str, *, kinds: Sequence[frozenset[int]]) -> Iterator[Cells]:
    """Run a query and yield its rows, some thousands at a time, every value as the server's text.

    `kinds` says for each column which of the protocol's types it may have; an empty set allows any. Memory is bounded
    by a few blocks. The connection is of no use afterwards unless all was consumed.
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
    with _Ahead(con, len(kinds)) as cells:
        yield from cells


class _Ahead:
    """A thread that reads a few blocks ahead: the server never waits for us to think."""

    def __init__(self, con: Connection[Any], columns: int) -> None:
        self._con = con
        self._columns = columns
        self._blocks: queue.Queue[Cells | BaseException | None] = queue.Queue(_BLOCKS_AHEAD)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._read, name="mysql-rows", daemon=True)

    def __enter__(self) -> Iterator[Cells]:
        self._thread.start()
        return self._taken()

    def __exit__(self, *_: object) -> None:
        is_early = self._thread.is_alive()
        self._is_over.set()
        if is_early and self._con._sock is not None:
            # Wakes the thread where it waits for bytes that nobody wants any more.
            with suppress(OSError):
                self._con._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _taken(self) -> Iterator[Cells]:
        while (taken := self._blocks.get()) is not None:
            if isinstance(taken, BaseException):
                raise taken
            yield taken

    def _read(self) -> None:
        try:
            for block in split_rows(self._con._rfile.read1):
                if not self._give(find_cells(block, self._columns)):
                    return
            self._give(None)
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is raised where rows are consumed)
            self._give(error)

    def _give(self, what: Cells | BaseException | None) -> bool:
        while not self._is_over.is_set():
            with suppress(queue.Full):
                self._blocks.put(what, timeout=0.1)
                return True
        return False
