"""What a statement names, and its form: alike for other values and other spelling."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from dataflow.access.log.statement import Facts, facts_of, form_hash
from dataflow.access.statements import check_statement
from lakehouse.connect import connect

KEY = bytes(32)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(extensions=(), threads=1) as con:
        yield con


def facts(con: duckdb.DuckDBPyConnection, sql: str) -> Facts:
    return facts_of(check_statement(con, sql).tree)


@pytest.mark.parametrize(
    ("sql", "tables", "columns"),
    [
        ("from published.orders", ["published.orders"], ["*"]),
        ("select count(*) from published.orders", ["published.orders"], []),
        (
            "select o.amount from published.orders o where o.order_id > 3",
            ["published.orders"],
            ["o", "amount", "order_id"],
        ),
        (
            "with c as (select email from published.customer_360) select * from c join ops.run using (run_id)",
            ["published.customer_360", "ops.run"],
            ["email", "*", "run_id"],
        ),
        ("describe published.orders", ["published.orders"], ["*"]),
        ("explain select email from published.customer_360", ["published.customer_360"], ["email"]),
        (
            "select (select max(amount) from published.orders) from published.tickets",
            ["published.tickets", "published.orders"],
            ["amount"],
        ),
        ("select columns('a.*') from published.orders", ["published.orders"], ["*"]),
        ("select 1", [], []),
    ],
)
def test_tables_and_columns(con: duckdb.DuckDBPyConnection, sql: str, tables: list[str], columns: list[str]) -> None:
    found = facts(con, sql)
    assert sorted(found.tables) == sorted(tables)
    assert set(found.columns) - {"o"} == set(columns) - {"o"}


@pytest.mark.parametrize(
    ("condition", "persons"),
    [
        ("customer_id = 'a'", ["a"]),
        ("'a' = c.Customer_ID", ["a"]),
        ("customer_id in ('a', 'b', 'a')", ["a", "b"]),
        ("customer_id <> 'a'", []),
        ("email = 'a'", []),
        ("customer_id = email", []),
        ("customer_id = 3", []),
    ],
)
def test_the_customers_that_a_statement_asks_about(
    con: duckdb.DuckDBPyConnection, condition: str, persons: list[str]
) -> None:
    assert facts(con, f"from published.customer_360 c where {condition}").persons == persons


def test_the_form_of_a_statement(con: duckdb.DuckDBPyConnection) -> None:
    def form(sql: str, key: bytes = KEY) -> str:
        return form_hash(check_statement(con, sql).tree, key)

    first = form("select email from published.customer_360 where email = 'a@x.com' limit 3")
    assert form("SELECT email\nFROM published.customer_360 /* b */ WHERE email = 'other' LIMIT 7") == first
    assert form("select email from published.customer_360 where email = 'a@x.com' limit 3", b"k" * 32) != first
    assert form("select email from published.customer_360 where email > 'a@x.com' limit 3") != first
    assert form("select phone from published.customer_360 where email = 'a@x.com' limit 3") != first
    assert len(first) == 64
