"""The queries that are asked, and that the simulator reads SOQL as Salesforce does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dataflow.errors import ConfigurationError
from dataflow.sources.protocol import BEGINNING, END, Window
from dataflow.sources.salesforce import soql
from tests.lib.servers.salesforce import Clock, Org
from tests.lib.servers.salesforce.soql import SoqlError, parse, run

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (Window(BEGINNING, END), ""),
        (Window(BEGINNING, NOON), "SystemModstamp < 2026-03-01T12:00:00.000Z"),
        (
            Window(NOON - timedelta(minutes=10), NOON),
            "SystemModstamp >= 2026-03-01T11:50:00.000Z AND SystemModstamp < 2026-03-01T12:00:00.000Z",
        ),
    ],
)
def test_a_window_is_closed_at_its_start_and_open_at_its_end(window: Window, text: str) -> None:
    assert soql.within(window, "SystemModstamp") == text


def test_a_query_is_built_of_names_only() -> None:
    built = soql.select(["Id", "Account.Name"], "Contact", where="Id != null", order=["Id"], limit=5)
    assert built == "SELECT Id, Account.Name FROM Contact WHERE Id != null ORDER BY Id LIMIT 5"
    assert soql.select([], "Contact") == "SELECT COUNT() FROM Contact"
    for name in ("Id FROM Contact--", "a b", "", "x'", "1x"):
        with pytest.raises(ConfigurationError):
            soql.select([name], "Contact")


@pytest.fixture
def org() -> Org:
    org = Org(Clock(NOON))
    acme = org.insert("Account", Name="Acme")
    org.clock.advance(10)
    org.insert("Contact", LastName="Ada", Score__c=3, AccountId=acme)
    org.clock.advance(10)
    org.insert("Contact", LastName="bob", IsVip__c=True)
    org.delete("Contact", org.insert("Contact", LastName="Cid"))
    return org


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("", ["Ada", "bob"]),
        ("WHERE LastName = 'ADA'", ["Ada"]),
        ("WHERE LastName != 'ada'", ["bob"]),
        ("WHERE LastName IN ('Ada', 'Cid')", ["Ada"]),
        ("WHERE LastName NOT IN ('Ada')", ["bob"]),
        ("WHERE LastName LIKE 'B%'", ["bob"]),
        ("WHERE Score__c > 2.5", ["Ada"]),
        ("WHERE Score__c = null", ["bob"]),
        ("WHERE IsVip__c = TRUE", ["bob"]),
        ("WHERE NOT IsVip__c = true", ["Ada"]),
        ("WHERE SystemModstamp >= 2026-03-01T12:00:20Z", ["bob"]),
        ("WHERE SystemModstamp < 2026-03-01T13:00:20+01:00", ["Ada"]),
        ("WHERE SystemModstamp > TODAY", ["Ada", "bob"]),
        ("WHERE IsVip__c = false AND (LastName = 'x' OR Score__c = 3)", ["Ada"]),
        ("ORDER BY LastName DESC", ["bob", "Ada"]),
        ("ORDER BY Score__c NULLS LAST, LastName", ["Ada", "bob"]),
        ("ORDER BY Score__c", ["bob", "Ada"]),
        ("ORDER BY LastName LIMIT 1", ["Ada"]),
    ],
)
def test_the_simulator_answers(org: Org, where: str, names: list[str]) -> None:
    rows = run(parse(f"SELECT LastName FROM Contact {where}", org), org, with_deleted=False)
    assert [row["LastName"] for row in rows] == names


def test_query_all_shows_the_recycle_bin_and_parents_are_joined(org: Org) -> None:
    rows = run(parse("select Id, LastName, Account.Name from Contact", org), org, with_deleted=True)
    assert [(row["LastName"], row["Account.Name"]) for row in rows] == [("Ada", "Acme"), ("bob", None), ("Cid", None)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Nope FROM Contact", "INVALID_FIELD"),
        ("SELECT Account.Nope FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE LastName = 3", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE SystemModstamp > '2026-03-01T12:00:00Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Notes__c = 'x'", "INVALID_FIELD"),
        ("SELECT Id, Id FROM Contact", "INVALID_FIELD"),
        ("SELECT FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Id = '1' AND Id = '2' OR Id = '3'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact LIMIT x", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact nonsense", "MALFORMED_QUERY"),
        ("DELETE Contact", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE SystemModstamp > 2026-03-01T12:00:00", "MALFORMED_QUERY"),
    ],
)
def test_the_simulator_refuses(org: Org, text: str, code: str) -> None:
    with pytest.raises(SoqlError) as refused:
        parse(text, org)
    assert refused.value.code == code


def test_a_field_without_permission_is_no_field(org: Org) -> None:
    org.revoke("Contact", "Email")
    with pytest.raises(SoqlError, match="No such column 'Email'"):
        parse("SELECT Email FROM Contact", org)
    org.grant("Contact", "Email")
    parse("SELECT Email FROM Contact", org)
