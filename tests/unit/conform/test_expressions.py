"""Ibis expressions on text, run on DuckDB and compiled for the warehouse."""

import ibis
import pytest
from ibis.expr import types as ir

from checks.values import is_currency
from dataflow.conform.expressions import domain_of, joined_text, tidy_text, without_blanks
from dataflow.conform.transactions import in_base_currency
from dataflow.settings.model import CurrencySettings
from dataflow.vocabulary.currencies import MINOR_UNITS, decimals_of
from dataflow.workspace.relations import sql_of
from lakehouse.connect import connect


def value_of(expression: ir.Value) -> object:
    con = connect()
    try:
        row = con.execute(sql_of(expression.name("value").as_table())).fetchone()
    finally:
        con.close()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("website", "domain"),
    [
        ("https://www.Example.org/about?x=1", "example.org"),
        ("http://user@shop.example.org:8080", "shop.example.org"),
        ("www.example.org", "example.org"),
        (" example . org ", "example.org"),
        ("n/a", None),
        ("none", None),
        ("", None),
        (None, None),
    ],
)
def test_domain_of_a_website(website: str | None, domain: str | None) -> None:
    assert value_of(domain_of(ibis.literal(website, type="string"))) == domain


def test_blanks() -> None:
    assert value_of(tidy_text(ibis.literal("  a \n b "))) == "a b"
    assert value_of(tidy_text(ibis.literal("  "))) is None
    assert value_of(without_blanks(ibis.literal(" 24 105\t"))) == "24105"


def test_joined_text_tells_apart_what_differs() -> None:
    def key(*values: str | None) -> object:
        return value_of(joined_text([ibis.literal(value, type="string") for value in values]))

    assert key("a", None) != key(None, "a")
    assert key("a", "b") == key("a", "b")
    assert key(None, None) is None


@pytest.mark.parametrize(
    ("base", "amount", "code", "expected"),
    [
        ("USD", "10.00", "EUR", "10.8000"),
        ("USD", "0.05", "EUR", "0.0500"),
        ("USD", "3.00", "USD", "3.0000"),
        ("USD", "1.00", "GBP", None),
        ("KWD", "1.00", "EUR", "0.3330"),
        ("KWD", "1.234", "KWD", "1.2340"),
        ("JPY", "1.00", "EUR", "162.0000"),
        ("USD", "1.2345", "USD", "1.2345"),
        ("USD", "9999999999999999", "EUR", None),
    ],
)
def test_base_currency(base: str, amount: str, code: str, expected: str | None) -> None:
    rate = {"USD": "1.08", "KWD": "0.33333", "JPY": "162.4"}[base]
    currency = CurrencySettings.model_validate({"base": base, "rates": {"EUR": rate}})
    value = in_base_currency(ibis.literal(amount).cast("decimal(20, 4)"), ibis.literal(code), currency=currency)
    assert value_of(value.cast("string")) == expected


def test_currencies_have_the_decimals_of_iso_4217() -> None:
    assert {code: decimals_of(code) for code in ("EUR", "KWD", "JPY", "CLF")} == {
        "EUR": 2,
        "KWD": 3,
        "JPY": 0,
        "CLF": 4,
    }
    assert all(is_currency(code) for code in MINOR_UNITS)


def test_text_expressions_compile_for_the_warehouse() -> None:
    rows = ibis.table({"website": "string"}, name="t")
    sql = sql_of(rows.select(domain=domain_of(rows["website"])), dialect="bigquery")
    assert "REGEXP_REPLACE" in sql
