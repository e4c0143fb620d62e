"""A dull twin of the reader of MySQL's text protocol: it writes what that reads."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

from dataflow.sources.mysql.wire import Block, split_rows

Row = Sequence[bytes | None]
END = struct.pack("<HH", 0, 2)


def packet(body: bytes, number: int = 0) -> bytes:
    """Frame a body as packets; one that is too long becomes several, the last of them shorter than the longest."""
    framed = b""
    while len(body) >= 0xFFFFFF:
        framed += struct.pack("<I", 0xFFFFFF | number << 24) + body[:0xFFFFFF]
        body, number = body[0xFFFFFF:], (number + 1) % 256
    return framed + struct.pack("<I", len(body) | number << 24) + body


def value(content: bytes | None) -> bytes:
    if content is None:
        return b"\xfb"
    length = len(content)
    if length < 251:
        return bytes([length]) + content
    if length < 1 << 16:
        return b"\xfc" + struct.pack("<H", length) + content
    if length < 1 << 24:
        return b"\xfd" + struct.pack("<I", length)[:3] + content
    return b"\xfe" + struct.pack("<Q", length) + content


def encode(rows: Sequence[Row]) -> bytes:
    return b"".join(packet(b"".join(map(value, row)), n % 256) for n, row in enumerate(rows))


def block_of(rows: Sequence[Row]) -> Block:
    """Some rows in one block."""
    content = io.BytesIO(encode(rows) + packet(b"\xfe" + END))
    [block] = split_rows(content.readinto1)
    return block
