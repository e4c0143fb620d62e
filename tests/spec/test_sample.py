"""What the sample holds on purpose: each hard case of identity, found in the delivered rows with the truth at hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dataflow.sample import SampleSpec, generate
from tests.lib.sample import delivered

DAY = "2026-01-01"
PLACEHOLDERS = {"test@test.com", "none@none.com", "noemail@example.com", "unknown@unknown.com", "a@a.com"}
Row = dict[str, Any]


class Seen:
    """Delivered rows of one day, each with the entity it describes."""

    def __init__(self, root: Path) -> None:
        truth = pq.read_table(root / "truth/truth.parquet").to_pylist()
        self._entity = {(row["object"], row["record_key"]): row["entity_id"] for row in truth}
        self.accounts = self._known(root, "salesforce", "account", "Id")
        self.contacts = self._known(root, "salesforce", "contact", "Id")
        self.customers = self._known(root, "mysql", "customers", "id")
        self.tickets = self._known(root, "tickets", "ticket", "ticket_id")
        self.defects = {row["record_key"] for row in pq.read_table(root / "truth/defects.parquet").to_pylist()}

    def _known(self, root: Path, source: str, name: str, key: str) -> list[Row]:
        rows = []
        for row in delivered(root, source, name, DAY):
            entity = self._entity.get((name, str(row[key])))
            if entity:
                rows.append(row | {"entity": entity, "key": str(row[key])})
        return rows


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    root = tmp_path_factory.mktemp("hard")
    generate(SampleSpec(records_per_day=30_000, seed=5), root)
    return Seen(root)


def grouped(rows: Iterable[Row], *fields: str) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by the lower-case values of some fields; rows that lack one are left out."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        values = tuple(str(row[field]).lower() if row[field] else None for field in fields)
        if None not in values:
            groups[values].append(row)
    return groups


def shared(rows: Iterable[Row], *fields: str, by: int = 2) -> list[list[Row]]:
    """Groups that several entities share."""
    return [group for group in grouped(rows, *fields).values() if len({row["entity"] for row in group}) >= by]


def same_entity(rows: Iterable[Row], differs: Callable[[Row, Row], bool]) -> int:
    """Pairs of records of one entity that differ in a given way."""
    by_entity: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_entity[row["entity"]].append(row)
    return sum(differs(a, b) for group in by_entity.values() for at, a in enumerate(group) for b in group[at + 1 :])


def is_latin(name: str | None) -> bool:
    return bool(name) and all(ord(letter) < 0x370 for letter in name or "")


def digits(value: str | None) -> str:
    return "".join(letter for letter in value or "" if letter.isdigit())[-8:]


CASES: dict[str, Callable[[Seen], int]] = {
    "nicknames: one person, Bill and William": lambda seen: same_entity(
        seen.contacts, lambda a, b: {a["FirstName"], b["FirstName"]} in ({"William", "Bill"}, {"Robert", "Bob"},
        {"James", "Jim"}, {"Michael", "Mike"}, {"Thomas", "Tom"}, {"David", "Dave"}, {"Patricia", "Pat"})
    ),
    "initials": lambda seen: sum(len((row["FirstName"] or "").strip(".")) == 1 for row in seen.contacts),
    "swapped names": lambda seen: same_entity(
        seen.contacts, lambda a, b: a["FirstName"] == b["LastName"] and a["FirstName"] != a["LastName"]
    ),
    "changed surnames: same mailbox, another surname": lambda seen: same_entity(
        seen.contacts, lambda a, b: bool(a["Email"]) and a["Email"] == b["Email"]
        and a["FirstName"] == b["FirstName"] and (a["LastName"] or "x")[:2] != (b["LastName"] or "x")[:2]
    ),
    "transliteration: one person in two scripts": lambda seen: same_entity(
        seen.contacts, lambda a, b: is_latin(a["LastName"]) != is_latin(b["LastName"])
    ),
    "diacritics dropped": lambda seen: same_entity(
        seen.contacts,
        lambda a, b: a["LastName"].isascii() != b["LastName"].isascii() and is_latin(a["LastName"] + b["LastName"]),
    ),
    "look-alike letters": lambda seen: sum(
        any("а" <= letter <= "я" for letter in name) and any("a" <= letter <= "z" for letter in name)
        for name in (row["LastName"] for row in seen.contacts)
    ),
    "placeholder mailboxes": lambda seen: sum(row["Email"] in PLACEHOLDERS for row in seen.contacts),
    "placeholder numbers": lambda seen: sum(row["MobilePhone"] in ("n/a", "0000000000") for row in seen.contacts),
    "placeholder dates of birth": lambda seen: sum(row["Birthdate"] == "1900-01-01" for row in seen.contacts),
    "father and son": lambda seen: sum(
        {"Sr", "Jr"} <= {row["Suffix"] for row in group} for group in shared(seen.contacts, "FirstName", "LastName")
    ),
    "twins: same surname and birthday": lambda seen: len(
        [g for g in shared(seen.contacts, "LastName", "Birthdate") if g[0]["Birthdate"] > "1901"]
    ),
    "spouses on one mailbox": lambda seen: sum(
        group[0]["Email"].lower() not in PLACEHOLDERS and len({row["LastName"] for row in group}) < len(group)
        for group in shared(seen.contacts, "Email")
    ),
    "role mailboxes": lambda seen: sum(
        (row["Email"] or "").lower().split("@")[0] in ("info", "sales", "office", "contact", "admin", "hello")
        for row in seen.contacts
    ),
    "switchboards: one number, many people": lambda seen: len(
        shared([row | {"n": digits(row["Phone"])} for row in seen.contacts], "n", by=5)
    ),
    "recycled mailboxes: strangers share one": lambda seen: sum(
        group[0]["Email"].lower() not in PLACEHOLDERS
        and len({(row["MailingCountry"], row["LastName"][:2], row["MailingPostalCode"]) for row in group}) > 1
        for group in shared(seen.contacts, "Email")
    ),
    "numbers one digit apart in one home": lambda seen: sum(
        len({number[:-1] for number in numbers}) < len(numbers)
        for group in shared(seen.contacts, "MailingStreet", "MailingPostalCode")
        if len(numbers := {digits(row["MobilePhone"]) for row in group if row["MobilePhone"]}) > 1
    ),
    "flats in one building": lambda seen: sum(
        any("1A" in street for street in streets) and any("4C" in street for street in streets)
        for group in grouped(seen.contacts, "MailingPostalCode", "MailingCity").values()
        if (streets := {row["MailingStreet"] or "" for row in group})
    ),
    "forwarders' addresses: one line, many people": lambda seen: len(
        shared(seen.contacts, "MailingStreet", "MailingPostalCode", by=5)
    ),
    "parents and subsidiaries": lambda seen: sum(bool(row["ParentId"]) for row in seen.accounts),
    "branches with store numbers": lambda seen: sum(
        "#" in (row["Name"] or "") or " store " in (row["Name"] or "").lower() for row in seen.accounts
    ),
    "registered offices: one building, many companies": lambda seen: sum(
        len({row["entity"] for row in group}) >= 4
        for group in grouped([row for row in seen.accounts if "uite" in (row["BillingStreet"] or "")],
                             "BillingPostalCode").values()
    ),
    "one company, several spellings of its legal form": lambda seen: same_entity(
        seen.accounts, lambda a, b: a["Name"] != b["Name"]
    ),
    "same name in another country": lambda seen: sum(
        len({row["BillingCity"] for row in group}) > 1 for group in shared(seen.accounts, "Name")
    ),
    "tickets with A's mailbox and B's number": lambda seen: len(
        [g for g in shared([row | {"n": digits(row["requester_phone"])} for row in seen.tickets], "n")
         if g[0]["n"] and len({row["requester_email"] for row in g}) > 1]
    ),
    "requesters with several tickets": lambda seen: sum(
        len(group) > 3 for group in grouped(seen.tickets, "requester_email").values()
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_sample_holds(case: str, seen: Seen) -> None:
    assert CASES[case](seen) > 0


def test_sole_traders_are_companies_named_after_people(seen: Seen) -> None:
    people = {f"{row['FirstName']} {row['LastName']}".lower() for row in seen.contacts}
    assert any(" ".join((row["Name"] or "").lower().split(" ")[:2]) in people for row in seen.accounts)


def test_no_two_strangers_share_a_mailbox_by_accident(seen: Seen) -> None:
    groups = shared(seen.contacts, "Email")
    private = [group for group in groups if group[0]["Email"].lower() not in PLACEHOLDERS]
    assert len(private) < 0.05 * len(seen.contacts)


def test_several_scripts_and_countries_are_there(seen: Seen) -> None:
    surnames = [row["LastName"] for row in seen.contacts]
    for first, last in (("А", "я"), ("Α", "ώ"), ("अ", "ह"), ("一", "龥")):
        assert any(first <= name[0] <= last for name in surnames)
    assert len({row["MailingCountry"] for row in seen.contacts}) > 20
