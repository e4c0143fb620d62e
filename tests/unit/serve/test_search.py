"""Search by name: folded, by parts of words, by words with an edit; nothing that the role does not see is compared."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from dataflow.serve.search import search_customers
from dataflow.serve.search_index import build_index
from dataflow.tables.published import CUSTOMER_360, REDIRECTS, XREF
from lakehouse.connect import connect
from lakehouse.table import Table

PEOPLE = (
    ("c1", "Zoë Müller", None, "zoe@example.com", "+4930123456", 5),
    ("c2", "Anna-Lena Schmidt", None, "anna@example.com", None, 3),
    ("c3", None, "Schmidt & Söhne GmbH", "info@schmidt.example", "+4940998877", 9),
    ("c4", "Bartholomew Quigley", None, None, None, 1),
    ("c5", None, None, "nameless@example.com", None, 1),
)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect() as con:
        con.execute("ATTACH ':memory:' AS lake")
        con.execute("USE lake")
        con.execute("CREATE SCHEMA published")
        for table in (CUSTOMER_360, REDIRECTS, XREF):
            columns = ", ".join(f"{column.name} {column.type}" for column in table.columns)
            con.execute(f"CREATE TABLE {table.sql_name} ({columns})")
        con.executemany(
            f"INSERT INTO {CUSTOMER_360.sql_name} (customer_id, full_name, company_name, email, phone, record_count)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            PEOPLE,
        )
        con.execute(
            f"INSERT INTO {XREF.sql_name} (record_id, source, object, record_key, customer_id)"
            " VALUES ('crm|contacts|007', 'crm', 'contacts', '007', 'c4')"
        )
        con.execute(f"INSERT INTO {REDIRECTS.sql_name} (customer_id, to_customer_id) VALUES ('old', 'c2')")
        build_index(con)
        yield con


def everything(_: Table, __: str) -> bool:
    return True


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("zoe muller", ["c1"]),
        ("MÜLLER", ["c1"]),
        ("schmidt", ["c3", "c2"]),
        ("lena", ["c2"]),
        ("mulelr", ["c1"]),
        ("bartolomev", ["c4"]),
        ("bartolomeww quigly", ["c4"]),
        ("zoo", []),
        ("zoe schmidt", []),
        ("Zoe@Example.com", ["c1"]),
        ("030 / 123456", ["c1"]),
        ("crm.contacts:007", ["c4"]),
        ("crm|contacts|007", ["c4"]),
        ("007", ["c4"]),
        ("old", ["c2"]),
        ("c5", ["c5"]),
        ("%", []),
        ("' OR 1=1", []),
        ("   ", []),
    ],
)
def test_what_is_asked_is_found(con: duckdb.DuckDBPyConnection, asked: str, found: list[str]) -> None:
    rows = search_customers(con, asked, names=lambda: con, sees=everything, limit=10)
    assert [row["customer_id"] for row in rows] == found


def test_a_column_that_is_not_seen_is_neither_compared_nor_shown(con: duckdb.DuckDBPyConnection) -> None:
    def without_address(_: Table, name: str) -> bool:
        return name not in ("email", "phone")

    for asked, found in (("zoe@example.com", []), ("030 123456", []), ("zoe", ["c1"])):
        rows = search_customers(con, asked, names=lambda: con, sees=without_address, limit=10)
        assert [row["customer_id"] for row in rows] == found
        assert all("email" not in row and "phone" not in row for row in rows)


def test_the_names_are_not_asked_for_where_the_role_sees_none(con: duckdb.DuckDBPyConnection) -> None:
    def no_names(_: Table, name: str) -> bool:
        return name not in ("full_name", "company_name")

    assert search_customers(con, "zoe", names=lambda: pytest.fail("built"), sees=no_names, limit=10) == []
