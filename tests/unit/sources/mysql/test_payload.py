"""Rows as JSON, beside DuckDB, which wrote them before and still does for exports: the same text to the byte."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.sources.mysql import payload
from dataflow.sources.mysql.cells import find_cells
from dataflow.sources.mysql.payload import JsonWriter, escape, write_doubles
from lakehouse.connect import connect
from lakehouse.table import quote
from tests.lib.mysql_wire import block_of

QUOTED, BARE = ('"', '"'), ("", "")
SPECIAL = st.text(st.sampled_from([*map(chr, range(0x20)), '"', "\\", "/", "\x7f", "é", "\u2028", "😀"]), max_size=8)


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    return connect(threads=1)


def by_duckdb(con: duckdb.DuckDBPyConnection, names: list[str], columns: list[pa.Array]) -> list[str]:
    con.register("twin", pa.table(columns, names=[str(n) for n in range(len(names))]))
    packed = ", ".join(f'{quote(name)} := "{n}"' for n, name in enumerate(names))
    return [text for (text,) in con.execute(f"SELECT to_json(struct_pack({packed}))::VARCHAR FROM twin").fetchall()]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[str], list[list[str | None]]]:
    """Names, kinds, rows: whole numbers, and texts with all that JSON escapes."""
    width = draw(st.integers(1, 5))
    letters = st.text(st.sampled_from([*'ab "\\é', "\x1f"]), min_size=1, max_size=4)
    names = draw(st.lists(letters, min_size=width, max_size=width, unique_by=str.lower))
    kinds = draw(st.lists(st.sampled_from(["number", "text"]), min_size=width, max_size=width))
    values = {"number": st.integers(-(2**63), 2**63 - 1).map(str), "text": SPECIAL}
    row = st.tuples(*(st.one_of(st.none(), values[kind]) for kind in kinds)).map(list)
    return names, kinds, draw(st.lists(row, min_size=1, max_size=8))


@given(tables())
def test_rows_are_written_as_duckdb_writes_them(
    con: duckdb.DuckDBPyConnection, table: tuple[list[str], list[str], list[list[str | None]]]
) -> None:
    names, kinds, rows = table
    cells = find_cells(block_of([[None if v is None else v.encode() for v in row] for row in rows]), len(names))
    writer = JsonWriter([(name, QUOTED if kind == "text" else BARE) for name, kind in zip(names, kinds, strict=True)])
    texts = {n: cells.texts(n) for n, kind in enumerate(kinds) if kind == "text"}
    replaced = {n: escaped for n, column in texts.items() if (escaped := escape(column)) is not None}
    found = writer.write(cells, replaced)
    found.validate(full=True)
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    typed = [
        column.cast(pa.int64() if kind == "number" else pa.string())
        for column, kind in zip(columns, kinds, strict=True)
    ]
    assert found.to_pylist() == by_duckdb(con, names, typed)


def test_a_writer_is_used_again_for_more_and_for_fewer_rows() -> None:
    writer = JsonWriter([("a", BARE), ("b", BARE)])
    for rows in (2, 5, 1):
        cells = find_cells(block_of([(str(n).encode(), None if n % 2 else b"7") for n in range(rows)]), 2)
        expected = [f'{{"a":{n},"b":{"null" if n % 2 else 7}}}' for n in range(rows)]
        assert writer.write(cells, {}).to_pylist() == expected


def test_text_that_needs_no_escape_is_left_where_it_is() -> None:
    assert escape(pa.array(["plain", None, "é/\x7f"])) is None
    assert escape(pa.array(["plain", None, 'a"b'])).to_pylist() == ["plain", None, 'a\\"b']


def test_a_part_of_a_longer_array_is_told_by_its_own_bytes() -> None:
    longer = pa.array(['"', "plain", '"'])
    assert escape(longer.slice(1, 1)) is None
    cells = find_cells(block_of([(b"1",)]), 1)
    assert JsonWriter([("a", QUOTED)]).write(cells, {0: longer.slice(1, 1)}).to_pylist() == ['{"a":"plain"}']


def test_text_beyond_what_arrow_can_point_at_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "_MOST_BYTES", 30)
    with pytest.raises(pa.ArrowInvalid):
        JsonWriter([("a", QUOTED)]).write(find_cells(block_of([(b"x" * 30,)]), 1), {})


NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-1e10, 1e10),
    st.floats(-1, 1),
    st.integers(-(10**18), 10**18).map(float),
    st.decimals(-(10**9), 10**9, places=3, allow_nan=False).map(float),
    st.sampled_from([0.0, -0.0, 1e-4, 9.999999e-5, 1e9, 999999999.9999999, 5e-324, 1.7976931348623157e308]),
)


@given(st.lists(st.one_of(st.none(), NUMBERS), min_size=1, max_size=30))
def test_numbers_are_written_as_duckdb_writes_them(con: duckdb.DuckDBPyConnection, numbers: list[float | None]) -> None:
    found = pa.array(numbers, pa.float64())
    nulls = found.is_null().to_numpy(zero_copy_only=False)
    texts, others = write_doubles(found.fill_null(0.0).to_numpy(), nulls if nulls.any() else None)
    con.register("numbers", pa.table({"x": found}))
    twin = [text for (text,) in con.execute("SELECT to_json(x)::VARCHAR FROM numbers").fetchall()]
    for text, other, expected in zip(texts.to_pylist(), others.tolist(), twin, strict=True):
        assert other or text == expected


def test_usual_numbers_need_no_duckdb() -> None:
    numbers = pa.array([0.0, -2.5, 1e-4, 123456789.5, 7.0]).to_numpy()
    texts, others = write_doubles(numbers, None)
    assert not others.any()
    assert texts.to_pylist() == ["0.0", "-2.5", "0.0001", "123456789.5", "7.0"]
