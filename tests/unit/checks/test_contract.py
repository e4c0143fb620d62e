"""Contracts: what is derived, what a file adds, and that they see the rows of an open transaction."""

import logging
import os
from pathlib import Path

import duckdb
import pytest
from opentelemetry import trace

from checks.contract import contract_of, verify_contracts
from checks.errors import ContractMalformed
from dataflow.tables import published
from lakehouse.table import Column, Table, create_table_sql

ORDER = Table(
    schema="shop",
    name="orders",
    grain="order",
    key=("order_id",),
    owner="test",
    columns=(
        Column("order_id", "VARCHAR", "Order", nullable=False),
        Column("status", "VARCHAR", "Status"),
        Column("amount", "DECIMAL(18,2)", "Amount"),
        Column("tags", "VARCHAR[]", "Tags"),
        Column("origin", "MAP(VARCHAR, VARCHAR)", "Origin"),
        Column("placed_at", "TIMESTAMPTZ", "When"),
    ),
)
LINE = Table(
    schema="shop",
    name="lines",
    grain="line",
    key=("order_id", "line"),
    owner="test",
    columns=(Column("order_id", "VARCHAR", "Order"), Column("line", "BIGINT", "Line")),
)


@pytest.fixture
def con(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("ATTACH ':memory:' AS lake")
    con.execute("CREATE SCHEMA lake.shop")
    for table in (ORDER, LINE):
        con.execute(create_table_sql(table, database="lake").replace(" NOT NULL", ""))
    con.execute("INSERT INTO lake.shop.orders (order_id, status, amount) VALUES ('a', 'paid', 1), ('b', 'paid', 2)")
    con.execute("INSERT INTO lake.shop.lines VALUES ('a', 1), ('a', 2)")
    return con


def failed(con: duckdb.DuckDBPyConnection, *tables: Table, folder: Path) -> set[str]:
    return {check.check for check in verify_contracts(con, tables, database="lake", folder=folder) if not check.passed}


def test_a_sound_table_passes_every_derived_check(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    results = verify_contracts(con, [ORDER, LINE], database="lake", folder=tmp_path)
    assert {(check.table, check.check) for check in results} == {
        ("shop.orders", "checks.schema"),
        ("shop.orders", "columns.order_id.checks.missing"),
        ("shop.orders", "columns.order_id.checks.duplicate"),
        ("shop.lines", "checks.schema"),
        ("shop.lines", "checks.duplicate"),
        ("shop.lines", "columns.order_id.checks.missing"),
        ("shop.lines", "columns.line.checks.missing"),
    }
    assert all(check.passed for check in results)


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ("INSERT INTO lake.shop.orders (order_id) VALUES (NULL)", "columns.order_id.checks.missing"),
        ("INSERT INTO lake.shop.orders (order_id) VALUES ('a')", "columns.order_id.checks.duplicate"),
        ("INSERT INTO lake.shop.lines VALUES ('a', 1)", "checks.duplicate"),
        ("ALTER TABLE lake.shop.orders DROP COLUMN tags", "checks.schema"),
        ("ALTER TABLE lake.shop.orders ALTER amount TYPE DOUBLE", "checks.schema"),
        ("ALTER TABLE lake.shop.orders ADD COLUMN surprise VARCHAR", "checks.schema"),
    ],
)
def test_each_derived_check_can_fail(con: duckdb.DuckDBPyConnection, tmp_path: Path, change: str, check: str) -> None:
    con.execute(change)
    assert failed(con, ORDER, LINE, folder=tmp_path) == {check}


def test_a_file_adds_checks(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "shop.orders.yml").write_text(
        "columns:\n- name: status\n  checks:\n  - invalid:\n      valid_values: [paid]\nchecks:\n- row_count:\n"
    )
    assert failed(con, ORDER, folder=tmp_path) == set()
    con.execute("INSERT INTO lake.shop.orders (order_id, status) VALUES ('c', 'lost')")
    results = verify_contracts(con, [ORDER], database="lake", folder=tmp_path)
    (bad,) = [check for check in results if not check.passed]
    assert (bad.table, bad.check) == ("shop.orders", "columns.status.checks.invalid")
    assert bad.measured["invalid_count"] == 1
    con.execute("DELETE FROM lake.shop.orders")
    assert "checks.row_count" in failed(con, ORDER, folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("columns:\n- name: colour\n  checks:\n  - missing:\n", "colour"),
        ("dataset: lake/shop/orders\n", "unknown keys dataset"),
    ],
)
def test_a_file_about_an_undeclared_column_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "shop.orders.yml").write_text(text)
    with pytest.raises(ContractMalformed, match=message):
        contract_of(ORDER, database="lake", folder=tmp_path)


def test_a_check_that_cannot_run_has_failed(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "shop.orders.yml").write_text("checks:\n- failed_rows:\n    name: n\n    expression: no_such > 1\n")
    assert {"execution", "checks.failed_rows"} <= failed(con, ORDER, folder=tmp_path)


def test_rows_of_an_open_transaction_are_seen(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    con.execute("BEGIN")
    con.execute("INSERT INTO lake.shop.orders (order_id) VALUES ('a')")
    assert failed(con, ORDER, folder=tmp_path) == {"columns.order_id.checks.duplicate"}
    con.execute("ROLLBACK")
    assert failed(con, ORDER, folder=tmp_path) == set()


def test_the_connection_keeps_its_database(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    before = con.execute("SELECT current_database(), current_schema()").fetchall()
    verify_contracts(con, [ORDER], database="lake", folder=tmp_path)
    assert con.execute("SELECT current_database(), current_schema()").fetchall() == before


def test_soda_stays_silent_and_keeps_its_hands_off(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("A_SECRET_OF_THE_FOLDER=1\n")
    con.execute("INSERT INTO lake.shop.orders (order_id) VALUES ('a')")
    with caplog.at_level(logging.DEBUG):
        verify_contracts(con, [ORDER], database="lake", folder=tmp_path)
    assert not [record for record in caplog.records if record.name.startswith("soda")]
    assert "A_SECRET_OF_THE_FOLDER" not in os.environ
    assert "soda" not in str(getattr(trace.get_tracer_provider(), "resource", "")).lower()


@pytest.mark.parametrize("table", published.TABLES, ids=lambda table: table.name)
def test_every_published_table_has_a_usable_contract(table: Table) -> None:
    contract = contract_of(table, database="lake")
    assert [column["name"] for column in contract["columns"]] == list(table.column_names)


def test_no_contract_file_is_without_a_table() -> None:
    files = {file.stem for file in (Path(__file__).parents[3] / "checks" / "contracts").glob("*.yml")}
    assert files <= {table.full_name for table in published.TABLES}
