"""Values as people write them: what is declared is read, nothing is guessed, and both languages read alike."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.sources.files.evidence import how_written
from dataflow.sources.written import iso_date, iso_date_sql, plain_number_sql

CON = duckdb.connect()
PIECES = st.lists(
    st.sampled_from(["1", "02", "13", "31", "2026", "99", ".", "/", "-", " ", "T", ":", "05", "AM", "pm", ",", "x"]),
    max_size=12,
).map("".join)


def asked(sql: str, text: str) -> object:
    return CON.execute(f"SELECT {sql} FROM (SELECT ? AS t)", [text]).fetchall()[0][0]


@pytest.mark.parametrize(
    ("order", "text", "expected"),
    [
        ("dmy", "01.02.2026", "2026-02-01"),
        ("dmy", "1/2/2026 9:05", "2026-02-01 09:05:00"),
        ("mdy", "1/2/2026, 2:05 pm", "2026-01-02 14:05:00"),
        ("mdy", "1/2/2026 12:05 AM", "2026-01-02 00:05:00"),
        ("mdy", "1/2/2026 13:05 PM", "1/2/2026 13:05 PM"),
        ("ymd", "2026/2/1", "2026-02-01"),
        ("dmy", "2026-02-01T10:00:00Z", "2026-02-01T10:00:00Z"),
        ("dmy", "1.2.26", "1.2.26"),
        ("dmy", "00.00.0000", "0000-00-00"),
    ],
)
def test_a_date_of_a_declared_order(order: str, text: str, expected: str) -> None:
    assert iso_date(text, order) == expected  # type: ignore[arg-type]
    assert asked(iso_date_sql("t", order), text) == expected  # type: ignore[arg-type]


@given(PIECES, st.sampled_from(["dmy", "mdy", "ymd"]))
def test_python_and_sql_read_the_same_date(text: str, order: str) -> None:
    assert iso_date(text, order) == asked(iso_date_sql("t", order), text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "comma", "point"),
    [
        ("1.234,50", "1234.50", None),
        ("1,234.50", None, "1234.50"),
        ("1.234", "1234", "1.234"),
        ("12.50", None, "12.50"),
        ("12,50", "12.50", None),
        ("1 234,5", "1234.5", None),
        ("-1'234.5", None, "-1234.5"),
        ("1.23.456", None, None),
        ("7", "7", "7"),
        ("seven", None, None),
    ],
)
def test_a_number_of_a_declared_mark(text: str, comma: str | None, point: str | None) -> None:
    for mark, expected in ((",", comma), (".", point)):
        read = asked(f"try_cast({plain_number_sql('t', mark)} AS DECIMAL(18,4))", text)  # type: ignore[arg-type]
        assert read == (None if expected is None else duckdb.sql(f"SELECT {expected}::DECIMAL(18,4)").fetchall()[0][0])


@pytest.mark.parametrize(
    ("columns", "setting", "is_open"),
    [
        ({"a": ["12,50", "1.234", "NULL"]}, "csv = { decimal = \",\", null_words = ['NULL'] }", False),
        ({"a": ["1.234", "2.345", "7"]}, "", True),
        ({"a": ["1.234", "2.345"], "b": ["0,5"]}, 'csv = { decimal = "," }', False),
        ({"a": ["12.50", "7"]}, "", False),
        ({"a": ["12.50", "1,234.56"]}, 'csv = { decimal = "." }', False),
        ({"a": ["1,234,567"]}, 'csv = { decimal = "." }', False),
        ({"a": ["12.50"], "b": ["3,5"]}, "", True),
        ({"d": ["13.02.2026", "01.02.2026 10:00"]}, 'csv = { date_order = "dmy" }', False),
        ({"d": ["02/13/2026", "-"]}, "csv = { date_order = \"mdy\", null_words = ['-'] }", False),
        ({"d": ["2026/01/02"]}, 'csv = { date_order = "ymd" }', False),
        ({"d": ["01.02.2026"]}, "", True),
        ({"d": ["13/02/2026"], "e": ["02/13/2026"]}, "", True),
        ({"ip": ["192.168.100.200", "10.0.0.1"], "name": ["None", "-"]}, "", False),
        ({"d": ["2026-01-02", ""]}, "", False),
    ],
)
def test_all_values_say_how_they_are_written(columns: dict[str, list[str]], setting: str, is_open: bool) -> None:
    rows = max(map(len, columns.values()))
    padded = {
        name: pa.array([*values, *[None] * (rows - len(values))], pa.string()) for name, values in columns.items()
    }
    CON.register("given", pa.table(padded))
    found = how_written(CON, "given", columns)
    CON.unregister("given")
    assert (found.setting, bool(found.open)) == (setting, is_open)
