"""Columns have names of their own, and values are what DuckDB says, where Python's types cannot hold them too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import duckdb
import pytest

from dataflow.access.answers import Answer, answer_of, fold, unique_names
from lakehouse.connect import connect


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(threads=1) as con:
        yield con


def ask(con: duckdb.DuckDBPyConnection, sql: str) -> Answer:
    return answer_of(con, sql, is_plan=False)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("'infinity'::date", "infinity"),
        ("'-infinity'::date", "-infinity"),
        ("'290000-01-01 (BC)'::date", "290000-01-01 (BC)"),
        ("'290000-01-01'::timestamp", "290000-01-01 00:00:00"),
        ("'9999-12-31'::date", date(9999, 12, 31)),
        ("'0001-01-01'::date", date(1, 1, 1)),
        ("null::date", None),
        ("'9999-12-31 23:59:59.999999'::timestamp", datetime.fromisoformat("9999-12-31T23:59:59.999999")),
        *((f"'infinity'::{kind}", "infinity") for kind in ("timestamp", "timestamp_s", "timestamp_ms", "timestamptz")),
        ("'-infinity'::timestamp_ns", "-infinity"),
        ("'2026-01-01 00:00:00.123456789'::timestamp_ns", "2026-01-01 00:00:00.123456789"),
        ("'2026-01-01 00:00:00.5'::timestamp_ns", datetime.fromisoformat("2026-01-01T00:00:00.5")),
        ("interval 14 months", "1 year 2 months"),
        ("interval '3000000 years'", "3000000 years"),
        ("['infinity'::date]", "[infinity]"),
        ("['2026-01-01'::date]", [date(2026, 1, 1)]),
        ("{'a': '0044-03-15 (BC)'::date}", "{'a': '0044-03-15 (BC)'}"),
    ],
)
def test_a_value_is_what_duckdb_says(con: duckdb.DuckDBPyConnection, value: str, shown: Any) -> None:
    assert list(ask(con, f"select 1 as a, {value} as b, 2 as c").rows()) == [(1, shown, 2)]


def test_rows_keep_their_order_and_number(con: duckdb.DuckDBPyConnection) -> None:
    found = ask(con, "select date '2026-01-01' + i::int as day, i as n from range(25000) t(i) order by i desc; -- end")
    assert [n for _, n in found.rows()] == list(range(24999, -1, -1))


def test_columns_are_named_as_those_of_a_table(con: duckdb.DuckDBPyConnection) -> None:
    select = "select 1 as a, 2 as a, 3 as A, 4 as a_1, 5 as \"\u212a\", 6 as k, date '2026-01-01' as a"
    found = ask(con, select)
    assert found.columns == ["a", "a_1", "A_2", "a_1_1", "\u212a", "k", "a_3"]
    con.execute(f"create or replace temp table named as {select}")
    assert found.columns == con.sql("from named").columns
    assert list(found.rows()) == [(1, 2, 3, 4, 5, 6, date(2026, 1, 1))]


def test_names_are_folded_as_duckdb_does() -> None:
    assert fold("AZaz\u212a\u0130\u017f") == "azaz\u212a\u0130\u017f"
    assert unique_names([]) == []
