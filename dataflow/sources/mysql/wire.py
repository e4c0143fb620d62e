"""MySQL's text protocol: where rows begin in the bytes of a result.

The rows end where the server says that the result ends, and nowhere else.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pymysql
from pymysql.constants import CR

BLOCK_BYTES = 2 * 1024 * 1024
_READ_BYTES = 256 * 1024
_LONGEST_PACKET = 0xFFFFFF
_EOF, _ERROR = 0xFE, 0xFF
_LONGEST_EOF = 8
"""A longer packet that begins like the end of the result is a row whose first value is huge."""
HEADER = 4
_PACKET = struct.Struct("<IB").unpack_from
"""Size and number of a packet in one word, then its first byte."""


@dataclass(frozen=True)
class Block:
    """The bytes of some whole rows up to the end of the last one, and where each row begins behind its header."""

    data: bytes
    starts: npt.NDArray[np.int64]


def split_rows(read: Callable[[int], bytes]) -> Iterator[Block]:
    """Cut what `read` brings into blocks of whole rows, up to the packet that ends the result.

    Raises: pymysql.MySQLError that the server sends in the middle, OperationalError when the bytes end early.
    """
    buffer = bytearray()
    headers: list[int] = []
    place = 0
    while True:
        got = read(_READ_BYTES)
        if not got:
            raise pymysql.OperationalError(CR.CR_SERVER_LOST, "the result breaks off")
        buffer += got
        received = len(buffer)
        # Once for each row of a table: what stands in this loop is a third of the reader's time.
        while place + HEADER < received:
            header, first = _PACKET(buffer, place)
            size = header & _LONGEST_PACKET
            after = place + HEADER + size
            if first >= _EOF or size == _LONGEST_PACKET:
                if size == _LONGEST_PACKET:
                    after = _join_packets(buffer, place)
                    received = len(buffer)
                if not place < after <= received:
                    break
                if first == _ERROR:
                    pymysql.err.raise_mysql_exception(bytes(buffer[place + HEADER : after]))
                if first == _EOF and size < _LONGEST_EOF:
                    yield from _block(buffer, headers, place)
                    return
            elif after > received:
                break
            headers.append(place)
            place = after
        if place >= BLOCK_BYTES:
            yield from _block(buffer, headers, place)
            del buffer[:place]
            headers, place = [], 0


def _join_packets(buffer: bytearray, place: int) -> int:
    """Make one packet of a row that was sent in several; where it ends then, or -1 while parts are missing."""
    headers = []
    while True:
        if len(buffer) < place + HEADER:
            return -1
        size = int.from_bytes(buffer[place : place + 3], "little")
        headers.append(place)
        place += HEADER + size
        if len(buffer) < place:
            return -1
        if size < _LONGEST_PACKET:
            break
    for header in reversed(headers[1:]):
        del buffer[header : header + HEADER]
    return place - HEADER * (len(headers) - 1)


def _block(buffer: bytearray, headers: list[int], end: int) -> Iterator[Block]:
    if headers:
        with memoryview(buffer) as whole, whole[:end] as rows:
            data = bytes(rows)
        yield Block(data, np.array(headers, dtype=np.int64) + HEADER)
