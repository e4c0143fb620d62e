"""Folding, splitting and keys of match records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from tests.lib.identities import match_records


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        yield con


def folded(con: duckdb.DuckDBPyConnection, **values: Any) -> dict[str, Any]:
    match_records(con, [{"record_id": "r1", "entity_type": "person", **values}], into="made")
    found = con.execute("FROM made")
    return dict(zip([column[0] for column in found.description or ()], found.fetchall()[0], strict=True))


@pytest.mark.parametrize(
    ("given", "column", "expected"),
    [
        ({"given_name": "José"}, "given", "jose"),
        ({"given_name": "Дмитрий"}, "given", "dmitriy"),
        ({"given_name": "Dr. Anna Maria"}, "given", "anna"),
        ({"given_name": "Anna M."}, "given_tokens", ["anna"]),
        ({"given_name": "Bob"}, "given_root", "robert"),
        ({"given_name": "Test"}, "given", None),
        ({"surname": "van der Berg"}, "surname", "vanderberg"),
        ({"surname": "van der Berg"}, "surname_tokens", ["berg"]),
        ({"surname": "O'Brien"}, "surname", "obrien"),
        ({"surname": "Smith Jr."}, "surname", "smith"),
        ({"surname": "Smith Jr."}, "suffix", "jr"),
        ({"surname": "Smith", "name_suffix": "Senior"}, "suffix", "sr"),
        ({"surname": "Smith 2nd"}, "suffix", "jr"),
        ({"surname": "Smith", "name_suffix": "3rd"}, "suffix", "iii"),
        ({"given_name": "Fräulein Anna"}, "given", "anna"),
        ({"given_name": "M. Anna"}, "given", "m"),
        ({"given_name": "Nil.", "surname": "Undefined"}, "surname", None),
        ({"surname": "Das"}, "surname_tokens", ["das"]),
        ({"surname": "Gray", "given_name": "Jack II"}, "suffix", "jr"),
        ({"surname": "Gray", "given_name": "Jack I"}, "suffix", "sr"),
        ({"surname": "Gray", "given_name": "Jack II"}, "given_tokens", ["jack"]),
        ({"full_name": "Gray Jr., Jack"}, "given_tokens", ["jack"]),
        ({"full_name": "Gray Jr., Jack"}, "suffix", "jr"),
        ({"full_name": "Gray, Jack III"}, "suffix", "iii"),
        ({"given_name": "Junior", "surname": "Silva"}, "given", "junior"),
        ({"full_name": "Ann Lee Gray"}, "surname", "gray"),
        ({"full_name": "Gray, Ann"}, "given", "ann"),
        ({"date_of_birth": "1980-02-30"}, "date_of_birth", "1980-02-30"),
        ({"date_of_birth": "February"}, "date_of_birth", None),
        ({"given_name": "Sir", "surname": "Gray", "full_name": "Sir Jack Gray, 3rd Baronet"}, "given", "jack"),
        ({"given_name": "Jack", "surname": "Baronet", "full_name": "Jack Gray, 3rd Baronet"}, "surname", "gray"),
        ({"given_name": "Don", "surname": "Gray"}, "given", "don"),
        ({"given_name": "Ann", "surname": "Gray", "full_name": "Ann Beth Gray"}, "given_tokens", ["ann", "beth"]),
        ({"given_name": "Gray", "full_name": "Gray"}, "surname", "gray"),
        ({"given_name": "W.J.", "surname": "Gray"}, "given", "w"),
        ({"street": "W. Third Street"}, "street", "3"),
        ({"street": "3rd St."}, "street", "3"),
        ({"street": "South Oak Ave"}, "street", "oak"),
        ({"street": "The Avenue"}, "street", "the avenue"),
        ({"company_name": "Hill Childrens Ctr."}, "org_tokens", ["center", "children", "hill"]),
        ({"postcode": "SW1A 1AA"}, "postcode", "sw1a1aa"),
        ({"postcode": "02139-4307", "country_code": "US"}, "postcode", "02139"),
        ({"postcode": "2139", "country_code": "US"}, "postcode", "02139"),
        ({"postcode": "02139 -4307"}, "postcode", "02139"),
        ({"postcode": "2139", "country_code": "AU"}, "postcode", "2139"),
        ({"street": "PO Box 123"}, "street", "po box"),
        ({"street": "PO Box 123"}, "house_number", "123"),
        ({"street": "Postfach 10 05 43"}, "house_number", "10 05 43"),
        ({"street": "Box Hill Road", "house_number": "12"}, "house_number", "12"),
        ({"street": "Café Str.", "house_number": "12 B", "city": "Köln"}, "door", "cafe 12 b koln"),
        ({"company_name": "Müller & Söhne GmbH"}, "org", "muller and sohne"),
        ({"company_name": "Müller & Söhne GmbH"}, "legal_form", "gmbh"),
        ({"company_name": "The Bank of Exampleton"}, "org_key", "bank exampleton"),
        ({"company_name": "Beispiel Aktiengesellschaft"}, "org", "beispiel"),
        ({"company_name": "Work for Me"}, "org", "work for me"),
        ({"company_name": "Shop 12"}, "org_numbers", "12"),
        ({"company_name": "GmbH"}, "org", "gmbh"),
        ({"email_domain": "gmail.com"}, "domain", None),
        ({"email_domain": "acme.example"}, "domain", "acme.example"),
        ({"given_name": "Ann", "surname": "Gray", "email_canonical": "ann.gray@x.example"}, "email_local", None),
        ({"given_name": "Ann", "surname": "Gray", "email_canonical": "agray77@x.example"}, "email_local", "agray77"),
    ],
)
def test_folding(con: duckdb.DuckDBPyConnection, given: dict[str, Any], column: str, expected: object) -> None:
    assert folded(con, **given)[column] == expected


def test_a_company_without_company_name_goes_by_its_full_name(con: duckdb.DuckDBPyConnection) -> None:
    assert folded(con, entity_type="company", full_name="Acme Ltd")["org"] == "acme"


def test_swapped_names_have_one_name_key(con: duckdb.DuckDBPyConnection) -> None:
    straight = folded(con, given_name="Martin", surname="Thomas")
    swapped = folded(con, given_name="Thomas", surname="Martin")
    assert straight["name_key"] == swapped["name_key"]
    assert set(straight["block_keys"]) & set(swapped["block_keys"])


def test_a_record_without_values_has_no_keys(con: duckdb.DuckDBPyConnection) -> None:
    assert folded(con)["block_keys"] == []
