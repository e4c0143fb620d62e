"""Rows of a running query as Arrow, block by block, straight from the bytes of MySQL's text protocol.

PyMySQL makes a Python object of every value: 16 s for a million rows of twelve columns where the server needs one.
Here a thread takes the bytes off the socket and finds where rows begin; NumPy walks the columns of all rows of a block
at once, and the values stay where they are, as views into the bytes. What is text on the wire stays the server's own
text, so no digit is lost. The rows end where the server says that the result ends, and nowhere else.
"""

from __future__ import annotations

import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pymysql
from pymysql.connections import Connection, MySQLResult
from pymysql.constants import COMMAND, CR

BLOCK_BYTES = 4 * 1024 * 1024
_BLOCKS_AHEAD = 3
_READ_BYTES = 256 * 1024
_LONGEST_PACKET = 0xFFFFFF
_EOF, _ERROR, _NULL = 0xFE, 0xFF, 0xFB
_LONGEST_EOF = 8
"""A longer packet that begins like the end of the result is a row whose first value is huge."""
_HEADER = 4
_PACKET = struct.Struct("<IB").unpack_from
"""Size and number of a packet in one word, then its first byte."""
_INLINE = 12
"""A view holds so many bytes itself; longer values are pointed at."""
_WIDTHS = {0xFC: 2, 0xFD: 3, 0xFE: 8}
"""Bytes that a length takes after such a first byte."""

_Places = npt.NDArray[np.int64]
_Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Block:
    """The bytes of some whole rows, and where each row begins; `end` is where the last one ends."""

    data: bytes
    starts: _Places
    end: int


def stream_rows(con: Connection[Any], query: str, *, binary: Sequence[bool]) -> Iterator[pa.RecordBatch]:
    """Run a query and yield its rows, every value as the server's text; columns are named `0`, `1`, ….

    `binary` says of each column whether its values are bytes rather than text. Memory is bounded by a few blocks.
    The connection is of no use afterwards unless all was consumed.
    Raises: pymysql.MySQLError, OSError.
    """
    result = MySQLResult(con)
    con._execute_command(COMMAND.COM_QUERY, query)
    result.init_unbuffered_query()
    # Its rows are taken off the socket here; it would look for them again.
    result.unbuffered_active = False
    if result.field_count != len(binary):
        raise pymysql.InternalError(f"asked for {len(binary)} columns, got {result.field_count}")
    kinds = [pa.binary_view() if is_binary else pa.string_view() for is_binary in binary]
    with _Ahead(con, kinds) as batches:
        yield from batches


class _Ahead:
    """A thread that reads a few blocks ahead: the server never waits for us to think."""

    def __init__(self, con: Connection[Any], kinds: Sequence[pa.DataType]) -> None:
        self._con = con
        self._kinds = kinds
        self._blocks: queue.Queue[pa.RecordBatch | BaseException | None] = queue.Queue(_BLOCKS_AHEAD)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._read, name="mysql-rows", daemon=True)

    def __enter__(self) -> Iterator[pa.RecordBatch]:
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

    def _taken(self) -> Iterator[pa.RecordBatch]:
        while (taken := self._blocks.get()) is not None:
            if isinstance(taken, BaseException):
                raise taken
            yield taken

    def _read(self) -> None:
        try:
            for block in split_rows(self._con._rfile.read1):
                if not self._give(read_columns(block, self._kinds)):
                    return
            self._give(None)
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is raised where rows are consumed)
            self._give(error)

    def _give(self, what: pa.RecordBatch | BaseException | None) -> bool:
        while not self._is_over.is_set():
            with suppress(queue.Full):
                self._blocks.put(what, timeout=0.1)
                return True
        return False


def split_rows(read: Callable[[int], bytes]) -> Iterator[Block]:
    """Cut what `read` brings into blocks of whole rows, up to the packet that ends the result.

    Raises: pymysql.MySQLError that the server sends in the middle, OperationalError when the bytes end early.
    """
    buffer = bytearray()
    starts: list[int] = []
    place = 0
    while True:
        got = read(_READ_BYTES)
        if not got:
            raise pymysql.OperationalError(CR.CR_SERVER_LOST, "the result breaks off")
        buffer += got
        while place + _HEADER < len(buffer):
            header, first = _PACKET(buffer, place)
            size = header & _LONGEST_PACKET
            after = place + _HEADER + size if size < _LONGEST_PACKET else _join_packets(buffer, place)
            if not place < after <= len(buffer):
                break
            if first >= _EOF:
                if first == _ERROR:
                    pymysql.err.raise_mysql_exception(bytes(buffer[place + _HEADER : after]))
                if size < _LONGEST_EOF:
                    yield from _block(buffer, starts, place)
                    return
            starts.append(place + _HEADER)
            place = after
        if place >= BLOCK_BYTES:
            yield from _block(buffer, starts, place)
            del buffer[:place]
            starts, place = [], 0


def _join_packets(buffer: bytearray, place: int) -> int:
    """Make one packet of a row that was sent in several; where it ends then, or -1 while parts are missing."""
    headers = []
    while True:
        if len(buffer) < place + _HEADER:
            return -1
        size = int.from_bytes(buffer[place : place + 3], "little")
        headers.append(place)
        place += _HEADER + size
        if len(buffer) < place:
            return -1
        if size < _LONGEST_PACKET:
            break
    for header in reversed(headers[1:]):
        del buffer[header : header + _HEADER]
    return place - _HEADER * (len(headers) - 1)


def _block(buffer: bytearray, starts: list[int], end: int) -> Iterator[Block]:
    if starts:
        # Room behind the end: the twelve bytes of a view are read from wherever a value begins.
        with memoryview(buffer) as whole, whole[:end] as rows:
            data = b"".join((rows, bytes(_INLINE)))
        yield Block(data, np.array(starts, dtype=np.int64), end)


def read_columns(block: Block, kinds: Sequence[pa.DataType]) -> pa.RecordBatch:
    """Walk the columns of a block. Raises: pymysql.InternalError when the rows do not end where they should."""
    data = np.frombuffer(block.data, dtype=np.uint8)
    content = pa.py_buffer(block.data)
    place = block.starts
    columns = []
    for kind in kinds:
        start, length, is_null = _values(data, place)
        validity = pa.py_buffer(np.packbits(~is_null, bitorder="little")) if is_null.any() else None
        views = pa.py_buffer(_views(data, start, length))
        columns.append(pa.Array.from_buffers(kind, len(start), [validity, views, content]))
        place = start + length
    # A row ends where the next one's header begins.
    ends = np.append(block.starts[1:] - _HEADER, block.end)
    if not np.array_equal(place, ends):
        raise pymysql.InternalError("the columns of a row do not fill its packet")
    return pa.RecordBatch.from_arrays(columns, names=[str(number) for number in range(len(columns))])


def _values(data: _Bytes, place: _Places) -> tuple[_Places, _Places, npt.NDArray[np.bool_]]:
    """Where the value at each place begins, how long it is, and whether it is null."""
    first = data[place]
    length = first.astype(np.int64)
    start = place + 1
    is_null = first == _NULL
    length[is_null] = 0
    for mark, width in _WIDTHS.items() if (first > _NULL).any() else ():
        wide = np.flatnonzero(first == mark)
        length[wide] = 0
        for byte in range(width):
            length[wide] |= data[start[wide] + byte].astype(np.int64) << (8 * byte)
        start[wide] += width
    return start, length, is_null


def _views(data: _Bytes, start: _Places, length: _Places) -> npt.NDArray[np.uint64]:
    """Build Arrow's views, two words each: length and four bytes, then eight more bytes, or where the value is."""
    words = np.ndarray(shape=(len(data) - 7,), dtype="<u8", buffer=data.data, strides=(1,))
    views = np.empty((len(start), 2), dtype=np.uint64)
    head = words[start] & _KEPT[np.minimum(length, 4)]
    views[:, 0] = length.astype(np.uint64) | head << np.uint64(32)
    tail = words[start + 4] & _KEPT[np.clip(length - 4, 0, 8)]
    # Of the buffers there is one: its number, the lower half, is 0.
    views[:, 1] = np.where(length > _INLINE, start.astype(np.uint64) << np.uint64(32), tail)
    return views


_KEPT = np.array([(1 << 8 * length) - 1 for length in range(9)], dtype=np.uint64)
"""By length, which of eight bytes belong to the value: Arrow wants zeros in the rest."""


def has_prefix(column: pa.Array, prefix: bytes) -> bool:
    """Whether any value of a column of views begins with these four bytes."""
    views = np.frombuffer(column.buffers()[1], dtype=np.uint64).reshape(-1, 2)
    return bool((views[:, 0] >> np.uint64(32) == int.from_bytes(prefix, "little")).any())
