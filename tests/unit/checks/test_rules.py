"""Each rule, by rows that keep it and rows that break it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from checks.errors import CheckDeclarationError
from checks.rule import Surroundings
from checks.rules import RULES, compile_check, compile_checks
from checks.runner import find_breaches
from lakehouse.connect import connect

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
FIELDS = ("text", "other", "number", "since", "until")

# rule, arguments, rows that keep it, rows that break it; a row is text, other, number, since, until
CASES: list[tuple[str, dict[str, Any], list[tuple[Any, ...]], list[tuple[Any, ...]]]] = [
    ("required", {"field": "text"}, [("a",)], [(None,)]),
    ("any_required", {"fields": ["text", "other"]}, [("a",), (None, "b")], [(None, None, 1)]),
    ("at_least", {"field": "number", "value": 0}, [(None, None, 0), (None, None, None)], [(None, None, -1)]),
    ("at_most", {"field": "number", "value": 5}, [(None, None, 5), (None,)], [(None, None, 6)]),
    ("one_of", {"field": "text", "values": ["a", "b"]}, [("a",), (None,)], [("A",), ("c",)]),
    ("one_of", {"field": "number", "values": [1, 2]}, [(None, None, 1)], [(None, None, 3)]),
    ("matches", {"field": "text", "pattern": "[A-Z]{2}"}, [("AB",), (None,)], [("ABC",), ("ab",)]),
    ("refers_to", {"field": "number", "object": "shop.people"}, [(None, None, 7), (None,)], [(None, None, 8)]),
    ("unique", {"field": "text"}, [("free",), (None,)], [("held",)]),
    (
        "in_order",
        {"fields": ["since", "until"]},
        [(None, None, None, "2026-01-01", "2026-01-01"), (None, None, None, "2026-01-01", None)],
        [(None, None, None, "2026-01-02", "2026-01-01")],
    ),
    (
        "not_in_future",
        {"field": "since"},
        [(None, None, None, "2026-03-10 11:59:59"), (None,)],
        [(None, None, None, "2026-03-10 12:00:01")],
    ),
    (
        "not_before",
        {"field": "since", "value": "1900-01-01"},
        [(None, None, None, "1900-01-01"), (None,)],
        [(None, None, None, "1899-12-31")],
    ),
    ("has_rate", {"field": "text"}, [("EUR",), (" eur",), (None,)], [("GBP",), ("",)]),
    ("email", {"field": "text"}, [("a@b.org",), (" a@b.org ",), (None,)], [("a@b",), ("a b@c.org",), ("@b.org",)]),
    ("ip_address", {"field": "text"}, [("10.0.0.1",), ("2001:db8::1",), (None,)], [("10.0.0",), ("localhost",)]),
    ("currency", {"field": "text"}, [("EUR",), ("jpy",), (None,)], [("EURO",), ("XXQ",)]),
]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    con = connect()
    con.execute("""
        CREATE TABLE rows (id INTEGER, _record_key VARCHAR,
            text VARCHAR, other VARCHAR, number BIGINT, since TIMESTAMP, until TIMESTAMP)
    """)
    yield con
    con.close()


def surroundings() -> Surroundings:
    return Surroundings(
        now=NOW,
        keys_of=lambda name: f"SELECT '7' WHERE '{name}' = 'shop.people'",
        holders_of=lambda field: f"SELECT 'held' AS value, 'somebody' AS record_key WHERE '{field}' = 'text'",
        currencies=frozenset({"EUR", "USD"}),
    )


def breaches(con: duckdb.DuckDBPyConnection, *declared: dict[str, Any]) -> list[tuple[Any, ...]]:
    checks = compile_checks(declared, fields=FIELDS, place="here")
    sql = find_breaches(con, "rows", checks=checks, row_id="id", surroundings=surroundings())
    return con.execute(f"SELECT row_id, ordinal, rule, reason FROM ({sql}) ORDER BY 1, 2").fetchall()


def fill(con: duckdb.DuckDBPyConnection, rows: list[tuple[Any, ...]]) -> None:
    for number, row in enumerate(rows):
        values = [*row, *([None] * (len(FIELDS) - len(row)))]
        con.execute("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)", [number, str(number), *values])


@pytest.mark.parametrize(("rule", "arguments", "keeping", "breaking"), CASES)
def test_a_rule_refuses_what_breaks_it_and_nothing_else(
    con: duckdb.DuckDBPyConnection,
    rule: str,
    arguments: dict[str, Any],
    keeping: list[tuple[Any, ...]],
    breaking: list[tuple[Any, ...]],
) -> None:
    fill(con, keeping + breaking)
    found = breaches(con, {"rule": rule, **arguments})
    assert [row for row, *_ in found] == list(range(len(keeping), len(keeping) + len(breaking)))
    assert {name for _, _, name, _ in found} == {rule}


def test_every_rule_has_a_case() -> None:
    assert {rule for rule, *_ in CASES} == set(RULES)


def test_a_row_is_told_every_rule_it_breaks_in_the_order_declared(con: duckdb.DuckDBPyConnection) -> None:
    fill(con, [(None, None, -3)])
    found = breaches(con, {"rule": "at_least", "field": "number", "value": 0}, {"rule": "required", "field": "text"})
    assert found == [(0, 0, "at_least", "number is less than 0"), (0, 1, "required", "text is missing")]


def test_no_checks_find_no_breaches(con: duckdb.DuckDBPyConnection) -> None:
    fill(con, [("a",)])
    assert breaches(con) == []


def test_no_reason_holds_a_value(con: duckdb.DuckDBPyConnection) -> None:
    fill(con, [("secret@@value", None, -987654)])
    found = breaches(
        con,
        {"rule": "email", "field": "text"},
        {"rule": "matches", "field": "text", "pattern": "[0-9]+"},
        {"rule": "at_least", "field": "number", "value": 0},
    )
    assert len(found) == 3
    assert not any("secret" in reason or "987654" in reason for *_, reason in found)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"rule": "e-mail", "field": "text"}, "Did you mean email? There are: any_required, at_least"),
        ({"rule": "at_least", "field": "number"}, "value: Field required. It takes: field, value"),
        ({"rule": "required", "field": "text", "loud": True}, "loud: Extra inputs are not permitted"),
        ({"rule": "required", "field": "nam"}, "names nam; the object has: number, other, since, text, until"),
    ],
)
def test_a_wrong_declaration_lists_what_exists(declared: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckDeclarationError) as caught:
        compile_check(declared, fields=FIELDS, place="sources.shop.objects.people")
    assert message in str(caught.value)
    assert "sources.shop.objects.people" in str(caught.value)
