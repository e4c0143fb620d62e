"""The condition that hands few keys down to a scan: it takes nothing that is asked for, and is dropped for many."""

from __future__ import annotations

import duckdb
import pytest

from dataflow.workspace.pushdown import MAX_PUSHDOWN_KEYS, pushdown_condition


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("CREATE TABLE record AS SELECT 'it''s ' || i AS record_id, i AS number FROM range(1000) r(i)")
    con.execute("CREATE TABLE key (record_id VARCHAR)")
    return con


@pytest.mark.parametrize("count", [0, 1, 3, MAX_PUSHDOWN_KEYS])
def test_few_keys_choose_their_rows(con: duckdb.DuckDBPyConnection, count: int) -> None:
    con.execute(f"INSERT INTO key SELECT record_id FROM record WHERE number < {count}")
    con.execute("INSERT INTO key SELECT record_id FROM key")  # twice is not more
    found = con.execute(f"SELECT number FROM record WHERE {pushdown_condition(con, 'key', 'record_id')}").fetchall()
    assert sorted(number for (number,) in found) == list(range(count))


def test_a_key_that_is_null_chooses_nothing(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("INSERT INTO key VALUES (NULL), ('it''s 7')")
    found = con.execute(f"SELECT number FROM record WHERE {pushdown_condition(con, 'key', 'record_id')}").fetchall()
    assert found == [(7,)]


def test_many_keys_leave_the_choice_to_the_statement(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(f"INSERT INTO key SELECT record_id FROM record WHERE number <= {MAX_PUSHDOWN_KEYS}")
    assert pushdown_condition(con, "key", "record_id") == "true"


def test_keys_may_be_numbers(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE numbers AS SELECT * FROM (VALUES (3), (5)) v(number)")
    pushdown = pushdown_condition(con, "numbers", "number", kind="BIGINT")
    assert con.execute(f"SELECT number FROM record WHERE {pushdown} ORDER BY 1").fetchall() == [(3,), (5,)]
