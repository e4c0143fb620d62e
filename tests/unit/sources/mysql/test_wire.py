"""The reader of MySQL's text protocol against a dull twin that writes it, and against bytes that end early."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pymysql
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dataflow.sources.mysql import wire
from dataflow.sources.mysql.cells import find_cells
from tests.lib.mysql_wire import END, encode, packet

LENGTHS = st.sampled_from([0, 1, 4, 5, 11, 12, 13, 60, 250, 251, 252, 65_535, 65_536, 70_000])
VALUE = st.one_of(
    st.none(),
    st.text(max_size=20).map(str.encode),
    st.builds(lambda length, letter: letter * length, LENGTHS, st.sampled_from([b"a", b"\xfb", b"\x00"])),
)


def reader(content: bytes, *, at_once: int) -> Callable[[memoryview], int]:
    """Hand out the bytes as a socket does: some at a time, then none."""
    place = 0

    def read(room: memoryview) -> int:
        nonlocal place
        got = content[place : place + min(len(room), at_once)]
        room[: len(got)] = got
        place += len(got)
        return len(got)

    return read


def decode(content: bytes, columns: int, *, at_once: int = 1 << 20) -> list[tuple[bytes | None, ...]]:
    found: list[tuple[bytes | None, ...]] = []
    for block in wire.split_rows(reader(content, at_once=at_once)):
        cells = find_cells(block, columns)
        values = [cells.octets(column) for column in range(columns)]
        for column in values:
            column.validate(full=True)
        found += zip(*(column.to_pylist() for column in values), strict=True)
    return found


@given(
    rows=st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[VALUE] * width), max_size=30)),
    at_once=st.sampled_from([1, 3, 5, 1000, 1 << 20]),
)
@example(rows=[(None,), (b"",), (b"x" * 300,)], at_once=1)
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
        with pytest.raises(pymysql.InternalError):
            decode(content, columns)
