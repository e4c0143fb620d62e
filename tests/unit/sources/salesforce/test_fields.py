"""What is selected of an object, and that REST and Bulk write a record as the same payload."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dataflow.errors import ConfigurationError, SourceMissing
from dataflow.settings import ObjectSettings
from dataflow.sources.proposals import propose
from dataflow.sources.salesforce.fields import choose_columns, field_infos, object_drift
from tests.lib.servers.salesforce.answers import describe
from tests.lib.servers.salesforce.org import Org

DECLARED: dict[str, Any] = {
    "key": "Id",
    "cursor": "SystemModstamp",
    "fields": {"Id": "VARCHAR", "LastName": "VARCHAR", "Account.Name": "VARCHAR", "SystemModstamp": "TIMESTAMPTZ"},
}


def declare(**given: Any) -> ObjectSettings:
    fields = DECLARED["fields"] | given.pop("fields", {})
    return ObjectSettings(**{**DECLARED, **given, "fields": fields})


def described(*, hidden: tuple[str, ...] = ()) -> dict[str, Any]:
    org = Org()
    for name in hidden:
        org.revoke("Contact", name)
    return describe(org, org.types["Contact"])


def test_declared_fields_come_first_then_new_custom_ones_and_the_deleted_flag() -> None:
    columns = choose_columns(declare(), described(), name="sf.contact")
    assert columns.paths[:4] == ("Id", "LastName", "Account.Name", "SystemModstamp")
    assert columns.paths[4:] == ("IsVip__c", "LastCall__c", "Notes__c", "Rating__c", "Score__c", "IsDeleted")


@pytest.mark.parametrize("policy", ["freeze", "set_aside"])
def test_without_evolve_only_what_is_declared_is_selected(policy: str) -> None:
    columns = choose_columns(declare(on_drift=policy), described(), name="sf.contact")
    assert columns.paths == ("Id", "LastName", "Account.Name", "SystemModstamp", "IsDeleted")


def test_a_field_that_may_not_be_read_is_left_out_and_is_drift() -> None:
    seen = described(hidden=("LastName",))
    assert "LastName" not in choose_columns(declare(), seen, name="sf.contact").paths
    assert object_drift(declare(), seen).gone == ("LastName",)


def test_drift_names_undeclared_custom_fields_and_wrong_types() -> None:
    declared = declare(fields={"IsVip__c": "BOOLEAN", "Score__c": "BIGINT", "Birthdate": "BOOLEAN"})
    drift = object_drift(declared, described())
    assert drift.new == ("LastCall__c", "Notes__c", "Rating__c")
    assert drift.retyped == ("Birthdate", "Score__c")


def test_a_proposal_has_the_types_of_a_declaration_and_leaves_salesforces_own_fields_out() -> None:
    declared = declare(fields={"Birthdate": "DATE", "IsVip__c": "BOOLEAN", "Rating__c": "VARCHAR"})
    proposed = propose(declared, field_infos(declared, described(hidden=("Birthdate",))))
    assert [str(change) for change in proposed] == [
        "new LastCall__c TIMESTAMPTZ",
        "new Notes__c VARCHAR",
        "new Score__c DOUBLE",
        "gone Birthdate",
    ]


def test_a_key_other_than_id_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="identifies deleted records by Id only"):
        choose_columns(declare(key="LastName"), described(), name="sf.contact")


def test_a_compound_field_is_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigurationError, match=r"MailingAddress.*Declare their parts"):
        choose_columns(declare(fields={"MailingAddress": "VARCHAR"}), described(), name="sf.contact")


def test_without_its_cursor_an_object_cannot_be_read() -> None:
    with pytest.raises(SourceMissing, match="SystemModstamp is not among its fields"):
        choose_columns(declare(), described(hidden=("SystemModstamp",)), name="sf.contact")


@pytest.mark.parametrize(
    ("field", "rest", "bulk", "written"),
    [
        ("LastName", "O'Brien", "O'Brien", '"O\'Brien"'),
        ("LastName", 'a "b"\n\tc', 'a "b"\n\tc', '"a \\"b\\"\\n\\tc"'),
        ("LastName", "Ünal 山田", "Ünal 山田", '"Ünal 山田"'),
        ("LastName", None, "", "null"),
        ("LastName", "007", "007", '"007"'),
        ("IsVip__c", True, "true", "true"),
        ("IsVip__c", False, "false", "false"),
        ("Score__c", "1.0E7", "10000000", "10000000"),
        ("Score__c", "12.0", "12", "12"),
        ("Score__c", "-0.5", "-0.50", "-0.5"),
        ("Score__c", "0.0", "-0", "0"),
        ("Score__c", "1.2345678901234568E-5", "0.000012345678901234568", "0.000012345678901234568"),
        ("Score__c", "123456789012345678.123", "123456789012345678.123", "123456789012345678.123"),
        ("Score__c", None, "", "null"),
        ("LastCall__c", "2026-03-01T09:30:00.000+0000", "2026-03-01T09:30:00.000Z", '"2026-03-01T09:30:00.000+0000"'),
        ("Birthdate", "1980-02-29", "1980-02-29", '"1980-02-29"'),
    ],
)
def test_both_apis_give_one_payload(field: str, rest: Any, bulk: str, written: str) -> None:
    declared = declare(on_drift="freeze", fields={field: "VARCHAR"})
    columns = choose_columns(declared, described(), name="sf.contact")
    place = columns.paths.index(field)
    texts = []
    for value in (rest, bulk):
        values: list[Any] = [None] * len(columns.paths)
        values[place] = value
        texts.append(columns.payload(values))
    assert texts[0] == texts[1]
    assert f'"{field}":{written}' in texts[0]
    json.loads(texts[0])


def test_half_a_character_stays_an_escape() -> None:
    columns = choose_columns(declare(on_drift="freeze"), described(), name="sf.contact")
    text = columns.payload(["003", "a\ud800", None, "2026-03-01T09:30:00.000+0000", False])
    assert '"LastName":"a\\ud800"' in text


def test_a_parents_field_is_taken_out_of_its_nesting() -> None:
    columns = choose_columns(declare(on_drift="freeze"), described(), name="sf.contact")
    stamp = "2026-03-01T09:30:00.000+0000"
    nested = {"Id": "003", "LastName": "x", "Account": {"Name": "Acme"}, "SystemModstamp": stamp, "IsDeleted": False}
    assert columns.of_record(nested) == ["003", "x", "Acme", stamp, False]
    assert columns.of_record({**nested, "Account": None})[2] is None
