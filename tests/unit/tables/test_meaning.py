"""Which orders count and earn, which tickets are open or urgent: the same in Ibis and in SQL."""

import ast
import re
import tomllib
from pathlib import Path

import duckdb
import ibis
import pytest

from checks.contract import contract_of
from dataflow.tables import published
from dataflow.tables.meaning import MEANING, OTHER, REFUND
from dataflow.workspace.relations import sql_of
from tests.lib.architecture import read_tree

ROOT = Path(__file__).parents[3]
STATES = {*MEANING.order_states, *MEANING.ticket_states, *MEANING.priorities}


@pytest.mark.parametrize(
    ("status", "counts", "earns"),
    [
        ("placed", True, True),
        ("paid", True, True),
        ("delivered", True, True),
        ("refunded", True, False),
        ("cancelled", False, False),
        ("another word", True, True),
        ("other", True, True),
        ("refund", False, True),
        (None, True, True),
    ],
)
def test_orders(status: str | None, counts: bool, earns: bool) -> None:
    rows = f"(SELECT {'NULL::VARCHAR' if status is None else repr(status)} AS status)"
    orders = ibis.table({"status": "string"}, name="orders")
    sql = sql_of(orders.select(counts=MEANING.counts(orders), earns=MEANING.earns(orders)))
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE orders AS FROM {rows}")
        assert con.execute(sql).fetchall() == [(counts, earns)]
        assert con.execute(f"SELECT {MEANING.counts_sql()} FROM orders").fetchall() == [(counts,)]


@pytest.mark.parametrize(
    ("status", "priority", "is_open", "is_urgent"),
    [
        ("open", "urgent", True, True),
        ("pending", "high", True, False),
        ("solved", "urgent", False, True),
        ("closed", "low", False, False),
        ("other", "other", True, False),
        (None, None, True, False),
    ],
)
def test_tickets(status: str | None, priority: str | None, is_open: bool, is_urgent: bool) -> None:
    tickets = ibis.table({"status": "string", "priority": "string"}, name="tickets")
    sql = sql_of(tickets.select(is_open=MEANING.is_open(tickets), is_urgent=MEANING.is_urgent(tickets)))
    with duckdb.connect() as con:
        con.execute("CREATE TABLE tickets (status VARCHAR, priority VARCHAR)")
        con.execute("INSERT INTO tickets VALUES (?, ?)", [status, priority])
        assert con.execute(sql).fetchall() == [(is_open, is_urgent)]


def test_what_means_something_is_a_state_that_there_is() -> None:
    assert {*MEANING.cancelled, *MEANING.earning_nothing} < set(MEANING.order_states)
    assert set(MEANING.closed) < set(MEANING.ticket_states)
    assert set(MEANING.urgent) < set(MEANING.priorities)


def test_contracts_and_default_checks_name_the_same_states() -> None:
    expected = {
        ("orders", "status"): MEANING.order_states,
        ("tickets", "status"): MEANING.ticket_states,
        ("tickets", "priority"): MEANING.priorities,
    }
    tables = {table.name: table for table in published.TABLES}
    for (table, column), states in expected.items():
        (found,) = [
            check["invalid"]["valid_values"]
            for one in contract_of(tables[table], database="lake")["columns"]
            if one["name"] == column
            for check in one["checks"]
        ]
        assert tuple(found) == states
    sources = tomllib.loads((ROOT / "dataflow/settings/default.toml").read_text())["sources"]
    for source, name in (("mysql", "orders"), ("tickets", "ticket")):
        for check in sources[source]["objects"][name]["checks"]:
            if check["rule"] == "one_of":
                ours = {tuple(word for word in words if word not in (OTHER, REFUND)) for words in expected.values()}
                assert tuple(check["values"]) in ours


def test_states_stand_nowhere_else_in_the_products_expressions() -> None:
    ours = ("dataflow/publish/", "dataflow/enrich/", "dataflow/sinks/", "dataflow/conform/", "dataflow/observe/")
    words = {"cancelled", "refunded", "paid", "shipped", "delivered", "solved", "pending", "urgent"}
    assert words < STATES
    found = []
    for path, text in read_tree(ROOT).items():
        # The jobs of BigQuery have states of the same names; discover proposes ours for the words of others.
        others = (
            "dataflow/sinks/bigquery/jobs.py",
            "dataflow/observe/discover/mappings.py",
            "dataflow/observe/discover/words.py",
        )
        if path.startswith(ours) and path not in others:
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    quoted = {node.value, *re.findall(r"'(\w+)'", node.value)}
                    found += [f"{path}:{node.lineno}: {word}" for word in sorted(quoted & words)]
    assert found == []
