"""Values in the bytes of rows: which are null, what dates that are none become, how fractions and numbers come."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.sources.mysql import cells as cells_module
from dataflow.sources.mysql.cells import Cells, find_cells
from tests.lib.mysql_wire import Row, block_of


def cells_of(rows: Sequence[Row]) -> Cells:
    return find_cells(block_of(rows), len(rows[0]))


def column_of(values: Sequence[bytes | None]) -> Cells:
    """A column between two others, so that its neighbours would show a step too far."""
    return cells_of([(b"00", value, b"00") for value in values])


def test_rows_are_walked_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells_module, "_ROWS_AT_ONCE", 3)
    values = [None if n == 5 else b"x" * n for n in range(11)]
    assert column_of(values).octets(1).to_pylist() == values


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (b"12:30:00.120000", b"12:30:00.12"),
        (b"12:30:00.000000", b"12:30:00"),
        (b"12:30:00.000001", b"12:30:00.000001"),
        (b"10:20:30.100", b"10:20:30.1"),
        (None, None),
    ],
)
def test_fractions_lose_their_last_zeros(written: bytes | None, kept: bytes | None) -> None:
    cells = column_of([b"00:00:00.5", written, None])
    cells.drop_zeros(1)
    assert cells.octets(1).to_pylist() == [b"00:00:00.5", kept, None]
    assert cells.octets(0).to_pylist() == cells.octets(2).to_pylist() == [b"00"] * 3


def test_dates_that_are_none_become_null() -> None:
    written = [b"0000-00-00", b"2026-03-01", None, b"0000-00-01", b"0000-00-00 00:00:00", b"0"]
    cells = column_of(written)
    assert cells.empty_those_with(1, b"0000-00-00") == 2
    assert cells.octets(1).to_pylist() == [None, b"2026-03-01", None, b"0000-00-01", None, b"0"]
    assert cells.empty_those_with(1, b"0000-00-00") == 0


def test_a_null_at_the_very_end_has_no_prefix() -> None:
    assert cells_of([(b"1", None)]).empty_those_with(1, b"0000-00-00") == 0


def point(number: float) -> bytes:
    """What POINT(number, 0) is on the wire."""
    return struct.pack("<IBIdd", 0, 1, 1, number, 0.0)


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=1, max_size=20))
def test_numbers_come_as_points(numbers: list[float | None]) -> None:
    cells = column_of([None if number is None else point(number) for number in numbers])
    # By their bytes: -0.0 equals 0.0.
    expected = np.array([0.0 if number is None else number for number in numbers])
    assert cells.doubles(1).tobytes() == expected.tobytes()


@pytest.mark.parametrize("written", [b"", b"1.5", point(1.5)[:-1], point(1.5) + b"x", b"\x07" + b"\xff" * 24])
def test_what_is_no_point_is_no_number(written: bytes) -> None:
    with pytest.raises(pa.ArrowInvalid):
        column_of([point(2.5), written]).doubles(1)


def test_numbers_that_are_all_null() -> None:
    assert np.array_equal(cells_of([(None,)]).doubles(0), [0.0])
