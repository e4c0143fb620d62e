"""JSON Schemas over rows as received."""

import json
from pathlib import Path
from typing import Any

import pytest

from checks.errors import CheckDeclarationError
from checks.json_schema import PayloadSchema, schema_names

SCHEMA = {
    "$defs": {"short": {"type": ["string", "null"], "maxLength": 3}},
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "integer"},
        "name": {"$ref": "#/$defs/short"},
        "born": {"type": ["string", "null"], "format": "date"},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
    },
}


def breaches(schema: PayloadSchema, *rows: dict[str, Any]) -> list[tuple[int, str, str]]:
    return [(b.row, b.rule, b.reason) for b in schema.breaches([json.dumps(row) for row in rows])]


def test_breaches_name_row_rule_place_and_what_was_expected() -> None:
    found = breaches(
        PayloadSchema(SCHEMA, name="s"),
        {"id": 1, "name": "abc", "born": "2000-02-29", "tags": ["a"]},
        {"name": "abcd"},
        {"id": "1", "born": "2001-02-29", "tags": ["a", "c"]},
    )
    assert sorted(found) == [
        (1, "schema.maxLength", "/name: expected maxLength 3"),
        (1, "schema.required", "the row: expected the field id"),
        (2, "schema.enum", '/tags/1: expected enum ["a", "b"]'),
        (2, "schema.format", '/born: expected format "date"'),
        (2, "schema.type", '/id: expected type "integer"'),
    ]


def test_no_rows_no_breaches() -> None:
    assert breaches(PayloadSchema(SCHEMA, name="s")) == []


def test_a_long_expectation_is_named_not_quoted() -> None:
    schema = PayloadSchema({"properties": {"a": {"enum": [f"value {n}" for n in range(100)]}}}, name="long")
    assert breaches(schema, {"a": "b"}) == [(0, "schema.enum", "/a: expected enum of the schema long")]


def test_what_is_not_a_schema_is_refused() -> None:
    with pytest.raises(CheckDeclarationError, match="s is not a JSON Schema"):
        PayloadSchema({"type": "strin"}, name="s")


def test_a_schema_is_found_by_name_or_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    assert PayloadSchema.load("own.json", beside=tmp_path).name == "own.json"
    for name in schema_names():
        assert PayloadSchema.load(name).name == name


def test_a_missing_schema_names_each_place_looked(tmp_path: Path) -> None:
    with pytest.raises(CheckDeclarationError) as caught:
        PayloadSchema.load("other.json", beside=tmp_path)
    assert str(tmp_path / "other.json") in str(caught.value)
    assert "salesforce_contact" in str(caught.value)


def test_a_file_that_is_no_json_is_refused_by_line(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text("{\n!", encoding="utf-8")
    with pytest.raises(CheckDeclarationError, match="is not JSON: line 2"):
        PayloadSchema.load("own.json", beside=tmp_path)


CONTACT = {"Id": "003Qy0000AAAAABIQ5", "LastName": "N", "SystemModstamp": "2026-01-02T03:04:05.000+0000"}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({}, None),
        ({"attributes": {"type": "Contact"}, "Loyalty_Tier__c": "Gold"}, None),
        ({"Email": "first.last+tag@example.org", "Birthdate": "1980-02-29"}, None),
        ({"LastName": None}, "schema.type"),
        ({"LastName": "  "}, "schema.pattern"),
        ({"Id": "003"}, "schema.pattern"),
        ({"Email": "no address"}, "schema.format"),
        ({"Birthdate": "1981-02-29"}, "schema.format"),
        ({"SystemModstamp": "yesterday"}, "schema.pattern"),
        ({"FirstName": "x" * 41}, "schema.maxLength"),
        ({"IsDeleted": "no"}, "schema.type"),
    ],
)
def test_a_salesforce_contact_as_the_api_returns_it(change: dict[str, Any], rule: str | None) -> None:
    found = breaches(PayloadSchema.load("salesforce_contact"), CONTACT | change)
    assert [name for _, name, _ in found] == ([rule] if rule else [])
