"""MySQL's text protocol: find where rows begin in the bytes of a result.

The rows end only with the server's packet that ends the result.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pymysql
from pymysql.constants import CR

BLOCK_BYTES = 1024 * 1024
"""Bytes per block; blocks larger than the CPU cache took a tenth longer."""
_READ_BYTES = 256 * 1024
_LONGEST_PACKET = 0xFFFFFF
_EOF, _ERROR = 0xFE, 0xFF
_LONGEST_EOF = 8
"""A longer packet that begins like the end of a result is a row whose first value is huge."""
HEADER = 4
_HEADER = struct.Struct("<I").unpack_from
"""Size of a packet, its number above."""

Read = Callable[[memoryview], int]
"""Fill the beginning of a buffer with the available bytes; return their number, 0 at the end."""


@dataclass(frozen=True)
class Block:
    """The bytes of some whole rows, and where each row begins after its header."""

    data: memoryview
    starts: npt.NDArray[np.int64]


def split_rows(read: Read) -> Iterator[Block]:
    """Cut the bytes of `read` into blocks of whole rows, up to the packet that ends the result.

    Raises: the pymysql.MySQLError that the server sends in the middle, OperationalError when the bytes end early.
    """
    buffer, filled = bytearray(BLOCK_BYTES + _READ_BYTES), 0
    headers: list[int] = []
    place = 0
    while True:
        # Runs once per row. A packet that continues in others does not fit into the buffer, and only the last one can
        # be the end.
        last = filled - HEADER
        while place <= last:
            headers.append(place)
            place += HEADER + (_HEADER(buffer, place)[0] & _LONGEST_PACKET)
        if place > filled:
            place = headers.pop()
            missing = _size(buffer, place)
        else:
            missing = 0
            if place == filled and headers and _is_end(buffer, headers[-1], place):
                yield from _block(buffer, headers[:-1], headers[-1])
                return
        if place >= BLOCK_BYTES or filled == len(buffer) or missing == _LONGEST_PACKET:
            yield from _block(buffer, headers, place)
            rest = buffer[place:filled]
            if missing == _LONGEST_PACKET:
                row, rest = _join_packets(read, rest)
                yield from _block(row, [0], len(row))
            buffer = bytearray(max(BLOCK_BYTES + _READ_BYTES, HEADER + missing, len(rest)))
            buffer[: len(rest)] = rest
            filled, headers, place = len(rest), [], 0
            if missing == _LONGEST_PACKET:
                continue
        filled += _receive(read, buffer, filled)


def _size(buffer: bytearray, place: int) -> int:
    return int(_HEADER(buffer, place)[0]) & _LONGEST_PACKET


def _is_end(buffer: bytearray, header: int, end: int) -> bool:
    """Return whether a packet ends the result. Raises: pymysql.MySQLError when it is an error."""
    first, size = buffer[header + HEADER : header + HEADER + 1], end - header - HEADER
    if first == bytes([_ERROR]):
        pymysql.err.raise_mysql_exception(bytes(buffer[header + HEADER : end]))
    return first == bytes([_EOF]) and size < _LONGEST_EOF


def _join_packets(read: Read, rest: bytearray) -> tuple[bytearray, bytearray]:
    """Read a row of several packets: return all of it behind one header, and the bytes after it."""
    row = bytearray(HEADER)
    while True:
        _extend(read, rest, HEADER)
        size = _size(rest, 0)
        _extend(read, rest, HEADER + size)
        row += rest[HEADER : HEADER + size]
        del rest[: HEADER + size]
        if size < _LONGEST_PACKET:
            return row, rest


def _extend(read: Read, rest: bytearray, wanted: int) -> None:
    while (there := len(rest)) < wanted:
        rest += bytes(_READ_BYTES)
        del rest[there + _receive(read, rest, there) :]


def _receive(read: Read, buffer: bytearray, filled: int) -> int:
    with memoryview(buffer) as whole, whole[filled:] as room:
        got = read(room)
    if not got:
        raise pymysql.OperationalError(CR.CR_SERVER_LOST, "the result breaks off")
    return got


def _block(buffer: bytearray, headers: list[int], end: int) -> Iterator[Block]:
    if headers:
        yield Block(memoryview(buffer)[:end], np.array(headers, dtype=np.int64) + HEADER)
