"""The reader of MySQL's text protocol against a dull twin that writes it, and against bytes that end early."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import pyarrow as pa
import pymysql
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataflow.sources.mysql import wire

Row = Sequence[bytes | None]

LENGTHS = st.sampled_from([0, 1, 4, 5, 11, 12, 13, 60, 250, 251, 252, 65_535, 65_536, 70_000])
VALUE = st.one_of(
    st.none(),
    st.text(max_size=20).map(str.encode),
    st.builds(lambda length, letter: letter * length, LENGTHS, st.sampled_from([b"a", b"\xfb", b"\x00"])),
)
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


def reader(content: bytes, *, at_once: int) -> Callable[[int], bytes]:
    """Hand out the bytes as a socket does: some at a time, then none."""
    place = 0

    def read(most: int) -> bytes:
        nonlocal place
        got = content[place : place + min(most, at_once)]
        place += len(got)
        return got

    return read


def decode(content: bytes, columns: int, *, at_once: int = 1 << 20) -> list[tuple[bytes | None, ...]]:
    kinds = [pa.binary_view()] * columns
    found: list[tuple[bytes | None, ...]] = []
    for block in wire.split_rows(reader(content, at_once=at_once)):
        batch = wire.read_columns(block, kinds)
        batch.validate(full=True)
        found += zip(*(column.to_pylist() for column in batch.columns), strict=True)
    return found


@given(
    rows=st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[VALUE] * width), max_size=30)),
    at_once=st.sampled_from([1, 3, 5, 1000, 1 << 20]),
)
@example(rows=[(None,), (b"",), (b"x" * 300,)], at_once=1)
@settings(max_examples=100)
def test_what_is_written_is_read(rows: list[tuple[bytes | None, ...]], at_once: int) -> None:
    content = encode(rows) + packet(b"\xfe" + END)
    width = len(rows[0]) if rows else 1
    # Byte by byte a long value takes long.
    assert decode(content, width, at_once=at_once if len(content) < 5000 else 1 << 16) == rows


def test_rows_come_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "BLOCK_BYTES", 1000)
    rows = [(str(n).encode() * (n % 7), None if n % 3 else b"-") for n in range(500)]
    content = encode(rows) + packet(b"\xfe" + END)
    assert len(list(wire.split_rows(reader(content, at_once=100)))) > 3
    assert decode(content, 2, at_once=100) == rows


@pytest.mark.parametrize("length", [0xFFFFFF - 5, 0xFFFFFF - 4, 0xFFFFFF, 2 * 0xFFFFFF + 7])
def test_rows_longer_than_a_packet(length: int) -> None:
    rows = [(b"before", b""), (b"x" * length, b"tail"), (b"after", None)]
    assert decode(encode(rows) + packet(b"\xfe" + END), 2) == rows


def test_an_error_in_the_middle_is_raised() -> None:
    content = encode([(b"1",)]) + packet(b"\xff" + struct.pack("<H", 1317) + b"#70100Query execution was interrupted")
    with pytest.raises(pymysql.MySQLError) as raised:
        decode(content, 1)
    assert raised.value.args[0] == 1317


def test_bytes_that_end_early_are_no_result() -> None:
    content = encode([(b"1", b"2")] * 3) + packet(b"\xfe" + END)
    for length in range(len(content)):
        with pytest.raises(pymysql.OperationalError, match="breaks off"):
            decode(content[:length], 2)


def test_rows_of_another_width_are_refused() -> None:
    content = encode([(b"1", b"2")]) + packet(b"\xfe" + END)
    for columns in (1, 3):
        with pytest.raises((pymysql.InternalError, IndexError)):
            decode(content, columns)


def test_prefixes_are_found() -> None:
    content = encode([(b"2026-01-01",), (b"000",), (None,)]) + packet(b"\xfe" + END)
    [block] = wire.split_rows(reader(content, at_once=100))
    column = wire.read_columns(block, [pa.string_view()]).column(0)
    assert wire.has_prefix(column, b"2026")
    assert not wire.has_prefix(column, b"0000")
