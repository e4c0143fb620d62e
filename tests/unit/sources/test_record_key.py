"""The canonical form of keys: one text per typed value."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.settings import ObjectSettings, SourceSettings
from dataflow.sources.record_key import SENT_ID, KeyKinds, key_kinds, misfit_sql, raw_key_sql, record_key_sql
from lakehouse.connect import connect

CON = connect(threads=1)


def canonical(text: str, *kinds: str) -> str:
    [(key,)] = CON.execute(f"SELECT {record_key_sql('t', kinds)} FROM (SELECT ?::VARCHAR AS t)", [text]).fetchall()
    return str(key)


def misfits(text: str, *kinds: str) -> list[bool]:
    columns = ", ".join(misfit_sql("t", kinds))
    return list(CON.execute(f"SELECT {columns} FROM (SELECT ?::VARCHAR AS t)", [text]).fetchall()[0])


@pytest.mark.parametrize(
    ("kind", "texts", "key"),
    [
        ("BIGINT", ("7", "007", " 7", "7 ", "7.0", "7.", "+7", "7e0"), "7"),
        ("BIGINT", ("-7", "-007", "-7.00"), "-7"),
        ("BIGINT", ("0", "-0", "00", "0.0"), "0"),
        ("HUGEINT", ("1E5", "100000", "1e+05"), "100000"),
        ("UBIGINT", ("18446744073709551615", "018446744073709551615"), "18446744073709551615"),
        ("DECIMAL(12,2)", ("7", "7.0", "7.00", "007.000"), "7"),
        ("DECIMAL(12,2)", ("7.5", "07.50"), "7.5"),
        ("DOUBLE", ("7", "7.0", "7e0"), "7"),
        ("DOUBLE", ("0", "-0.0", "0.00"), "0"),
        ("DATE", ("2026-03-01", "2026/03/01", " 2026-03-01", "2026-03-01 00:00:00"), "2026-03-01"),
        ("TIMESTAMP", ("2026-03-01 10:00:00", "2026-03-01T10:00:00Z", "2026-03-01T12:00:00+02:00"),
         "2026-03-01 10:00:00"),
        ("TIMESTAMPTZ", ("2026-03-01 10:00:00", "2026-03-01T10:00:00Z", "2026-03-01T12:00:00+02:00"),
         "2026-03-01 10:00:00+00"),
        ("UUID", ("6F9619FF-8B86-D011-B42D-00CF4FC964FF", "6f9619ff8b86d011b42d00cf4fc964ff"),
         "6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
        ("SALESFORCE_ID", ("0035Y00003bQXZp", "0035Y00003bQXZpQAO", "0035y00003bqxzpqao", "0035Y00003BQXZPQAO"),
         "0035Y00003bQXZpQAO"),
    ],
)  # fmt: skip
def test_a_value_has_one_key_however_it_is_written(kind: str, texts: tuple[str, ...], key: str) -> None:
    assert {canonical(text, kind) for text in texts} == {key}
    assert not any(misfits(text, kind)[0] for text in texts)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("BIGINT", "7.5"),
        ("BIGINT", "seven"),
        ("BIGINT", " "),
        ("BIGINT", "0x7"),
        ("BIGINT", "99999999999999999999"),
        ("DATE", "01.03.2026"),
        ("DATE", "2026-03-01 10:00:00"),
        ("UUID", "6f9619ff"),
        ("SALESFORCE_ID", "0035Y00003bQXZ"),
        ("SALESFORCE_ID", "0035Y00003bQXZ-"),
        ("SALESFORCE_ID", "0035Y00003bQXZp999"),
        ("SALESFORCE_ID", "003500000300000QAO"),
    ],
)
def test_a_text_that_is_no_value_of_the_type_stays_as_received(kind: str, text: str) -> None:
    assert canonical(text, kind) == text
    assert misfits(text, kind) == [True]


@pytest.mark.parametrize("text", ["007", " 7", "7.0", "0035Y00003bQXZp", "ABC", "abc"])
def test_text_keys_stay_byte_for_byte(text: str) -> None:
    assert canonical(text, "VARCHAR") == text
    assert misfits(text, "VARCHAR") == [False]


def test_a_composite_key_is_canonical_by_parts() -> None:
    assert canonical("007|a%7Cb|1.0", "BIGINT", "VARCHAR", "BIGINT") == "7|a%7Cb|1"
    assert misfits("7|x|y", "BIGINT", "VARCHAR", "BIGINT") == [False, False, True]
    # A key of another number of parts is not one of these: it stays.
    assert canonical("007", "BIGINT", "BIGINT") == "007"


def test_a_row_without_a_key_keeps_its_hash() -> None:
    digest = "d41d8cd98f00b204e9800998ecf8427e"
    row = f"(SELECT '{digest}' AS _record_key, '{digest}' AS _row_hash) r"
    assert CON.execute(f"SELECT {raw_key_sql('r', ('UUID',))} FROM {row}").fetchall() == [(digest,)]


def test_an_id_that_an_interface_sent_in_18_characters_is_taken_as_it_is() -> None:
    rows = "(SELECT unnest(['0035Y00003bQXZpQAO', '0035Y00003bQXZp', 'c1']) AS _record_key, 'x' AS _row_hash) r"
    found = CON.execute(f"SELECT {raw_key_sql('r', (SENT_ID,))} FROM {rows}").fetchall()
    assert found == [("0035Y00003bQXZpQAO",), ("0035Y00003bQXZpQAO",), ("c1",)]
    assert canonical("0035Y00003BQXZPQAO", SENT_ID) == "0035Y00003bQXZpQAO"


@pytest.mark.parametrize(
    ("adapter", "format", "key", "kinds"),
    [
        ("files", "rest-json", "Id", (SENT_ID,)),
        ("files", "csv", "Id", ("VARCHAR",)),
        ("files", "rest-json", "Number", ("BIGINT",)),
        ("files", "csv", "Number, Id", ("BIGINT", "VARCHAR")),
        ("files", "csv", "Unknown", ("VARCHAR",)),
    ],
)
def test_the_type_of_a_key_is_the_declared_one_but_salesforce_has_its_own(
    adapter: str, format: str, key: str, kinds: KeyKinds
) -> None:
    fields = {"Id": "VARCHAR", "Number": "BIGINT"}
    declared = ObjectSettings.model_validate(
        {"format": format, "path": "a", "key": key, "cursor": "at", "fields": fields}
    )
    assert key_kinds(SourceSettings.model_construct(adapter=adapter, objects={}), declared) == kinds


@settings(max_examples=40, deadline=None)
@given(st.integers(-(2**62), 2**62), st.integers(0, 3), st.integers(0, 3), st.sampled_from(["", " ", "  "]))
def test_whole_numbers_of_any_spelling_are_one(value: int, zeros: int, places: int, blank: str) -> None:
    sign, digits = ("-", -value) if value < 0 else ("", value)
    spelt = f"{blank}{sign}{'0' * zeros}{digits}{'.' + '0' * places if places else ''}{blank}"
    assert canonical(spelt, "BIGINT") == canonical(str(value), "BIGINT") == str(value)


@settings(max_examples=30, deadline=None)
@given(st.decimals(-10_000_000, 10_000_000, places=2), st.integers(0, 3))
def test_decimals_of_any_spelling_are_one(value: Decimal, zeros: int) -> None:
    assert Decimal(canonical(f"{value}{'0' * zeros}", "DECIMAL(12,2)")) == value
    assert canonical(f"{value}{'0' * zeros}", "DECIMAL(12,2)") == canonical(str(value.normalize()), "DECIMAL(12,2)")


_BASE62 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@settings(max_examples=40, deadline=None)
@given(st.text(_BASE62, min_size=15, max_size=15), st.data())
def test_salesforce_ids_of_any_case_are_one(short: str, data: st.DataObject) -> None:
    groups = [short[start : start + 5] for start in (0, 5, 10)]
    check = "".join(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[sum(1 << place for place, one in enumerate(group) if one.isupper())]
        for group in groups
    )
    spelt = "".join(data.draw(st.sampled_from([one.lower(), one.upper()])) for one in short + check)
    assert {canonical(text, "SALESFORCE_ID") for text in (short, short + check, spelt)} == {short + check}


@settings(max_examples=20, deadline=None)
@given(st.uuids())
def test_uuids_of_any_spelling_are_one(value: UUID) -> None:
    assert {canonical(text, "UUID") for text in (str(value), value.hex, str(value).upper())} == {str(value)}
