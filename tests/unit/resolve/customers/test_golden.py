"""Golden values, the values that lost to them, and the fields in which records contradict one another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb
import pytest

from dataflow.resolve.customers.golden import golden_sql, other_values_sql
from dataflow.tables.conformed import CUSTOMER_RECORD
from tests.lib.tables import arrow_rows

TRUST = {"salesforce": 3, "mysql": 2}
BORN = date(1980, 5, 6)
JANE: dict[str, Any] = {"entity_type": "person", "full_name": "Jane Doe", "surname": "Doe", "_source": "salesforce"}


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        yield con


def told(
    con: duckdb.DuckDBPyConnection, *records: dict[str, Any]
) -> tuple[list[str], dict[tuple[str, str], tuple[bool, list[str]]]]:
    """Conflicts of one customer, and its lost values with their records."""
    rows = [{**record, "record_id": f"r{number}"} for number, record in enumerate(records)]
    con.register("given", arrow_rows(CUSTOMER_RECORD, rows))
    con.execute("""
        CREATE OR REPLACE TEMP TABLE record AS
        SELECT *, 'C1' AS customer_id, NULL::VARCHAR AS parent_customer_id, 1.0 AS cluster_confidence FROM given
    """)
    con.execute(f"CREATE OR REPLACE TEMP TABLE golden AS {golden_sql('record', trust=TRUST)}")
    lost = con.execute(f"SELECT field, value, is_conflict, record_ids FROM ({other_values_sql('record', 'golden')})")
    values = {(field, value): (is_conflict, ids) for field, value, is_conflict, ids in lost.fetchall()}
    return con.execute("SELECT conflicts FROM golden").fetchall()[0][0], values


def test_records_that_agree_lose_nothing(con: duckdb.DuckDBPyConnection) -> None:
    assert told(con, JANE, JANE | {"_source": "mysql", "full_name": "JANE DOE"}) == ([], {})


def test_a_single_record_loses_nothing(con: duckdb.DuckDBPyConnection) -> None:
    assert told(con, JANE | {"email": "jane@example.org"}) == ([], {})


def test_two_days_of_birth_contradict_one_another(con: duckdb.DuckDBPyConnection) -> None:
    other = JANE | {"_source": "mysql", "date_of_birth": date(1980, 6, 5)}
    conflicts, lost = told(con, JANE | {"date_of_birth": BORN}, other)
    assert conflicts == ["date_of_birth"]
    assert lost == {("date_of_birth", "1980-06-05"): (True, ["r1"])}


def test_a_second_mailbox_is_kept_and_is_no_conflict(con: duckdb.DuckDBPyConnection) -> None:
    emails = ("a@example.org", "b@example.org", "b@example.org")
    conflicts, lost = told(con, *(JANE | {"email": email} for email in emails))
    assert conflicts == []
    kept = {value for field, value in lost if field == "email"}
    assert len(kept) == 1
    assert lost["email", kept.pop()] in ((False, ["r0"]), (False, ["r1", "r2"]))


def test_a_value_where_the_golden_record_has_none_of_that_field_is_not_lost(con: duckdb.DuckDBPyConnection) -> None:
    # the name comes whole from one record: a given name that only the other has is kept beside it
    full = JANE | {"given_name": "Jane"}
    short = JANE | {"full_name": "J. Doe", "given_name": "J.", "_source": "mysql"}
    conflicts, lost = told(con, full, short)
    assert conflicts == []
    assert lost == {("full_name", "J. Doe"): (False, ["r1"]), ("given_name", "J."): (False, ["r1"])}
