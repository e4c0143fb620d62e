"""What a declaration could become: renames, types, and no value anywhere."""

import json

import pytest

from dataflow.settings import ObjectSettings
from dataflow.sources import FieldInfo
from dataflow.sources.proposals import propose, sample_types
from lakehouse.connect import connect

DECLARED = ObjectSettings(
    key="Id",
    cursor="at",
    fields={"Id": "VARCHAR", "at": "TIMESTAMPTZ", "Phone": "VARCHAR", "Amount": "DECIMAL(12,2)", "Note": "VARCHAR"},
    optional=["Note"],
)


def fields(**types: str) -> list[FieldInfo]:
    return [FieldInfo(name, kind) for name, kind in types.items()]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (fields(Id="VARCHAR", at="TIMESTAMPTZ", Phone="VARCHAR", Amount="DOUBLE"), []),
        (fields(Id="", at="", Phone="", Amount="", Region="VARCHAR"), ["new Region VARCHAR"]),
        (fields(Id="", at="", Phone__c="VARCHAR", Amount=""), ["renamed Phone → Phone__c VARCHAR"]),
        (fields(Id="", at="", phone_number="VARCHAR", Amount=""), ["renamed Phone → phone_number VARCHAR"]),
        # Another kind of value, or another word, is another field.
        (fields(Id="", at="", Phone__c="BIGINT", Amount=""), ["new Phone__c BIGINT", "gone Phone"]),
        (fields(Id="", at="", Fax="VARCHAR", Amount=""), ["new Fax VARCHAR", "gone Phone"]),
        (fields(Id="", at="BIGINT", Phone="", Amount=""), ["retyped at TIMESTAMPTZ → BIGINT"]),
        (fields(Id="", at="", Phone=""), ["gone Amount"]),
    ],
)
def test_what_is_proposed(found: list[FieldInfo], expected: list[str]) -> None:
    assert [str(change) for change in propose(DECLARED, found)] == expected


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], "BIGINT"),
        (["1", "2"], "BIGINT"),
        (["1.5", "2"], "DOUBLE"),
        (["007", "1"], "VARCHAR"),
        ([True, False], "BOOLEAN"),
        (["2026-01-31", "2026-02-01"], "DATE"),
        (["2026-01-31T10:00:00Z"], "TIMESTAMPTZ"),
        (["a", "1"], "VARCHAR"),
        ([None, ""], None),
    ],
)
def test_types_are_seen_from_values(values: list[object], kind: str | None) -> None:
    con = connect(threads=1)
    payloads = [json.dumps({"x": value}) for value in values]
    assert sample_types(con, [*payloads, "no JSON", "[1]"], ["x"]).get("x") == kind
    con.close()
