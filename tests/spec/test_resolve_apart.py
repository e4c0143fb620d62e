"""Wrong people made one, and the counterparts that must still link: in a file and in the pipeline.

Each case is a few records amid others; a record's first word says whose it is.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from itertools import combinations, islice

import pytest

from dataflow.conform.companies import normalise_company
from dataflow.resolve.own_file.resolve_file import resolve_file
from tests.lib.hard_cases import CITIES, hard_cases, write_table
from tests.lib.hard_cases import COMPANIES as OTHER_COMPANIES
from tests.lib.hard_cases import PEOPLE as OTHERS
from tests.lib.identities import Record
from tests.lib.resolving import resolve_day, rows
from tests.lib.tables import small_lake

HOME = {"street": "12 Wexford Road", "city": "Riverton", "postcode": "10555", "country": "US"}
FAR = {"street": "7 Quarry Lane", "city": "Dover", "postcode": "14021", "country": "US"}
PHONE, MAIL = {"phone": "5557318842"}, {"email": "household.kettle@posteo.example"}
BORN, BORN_LATER = {"birth": "1961-04-17"}, {"birth": "2001-11-30"}


def named(given: str, surname: str, *parts: dict[str, str], **fields: str) -> dict[str, str]:
    found = {"given": given, "surname": surname}
    for part in parts:
        found |= part
    return found | fields


Case = list[tuple[str, dict[str, str]]]

CASES: dict[str, Case] = {
    "initials of a household": [
        ("james", named("James J", "Tarleton", HOME)),
        ("martha", named("Martha J", "Tarleton", HOME)),
        ("james", named("James", "Tarleton", HOME)),
    ],
    "middle initials": [
        ("albert", named("John A", "Pemberly", HOME, BORN)),
        ("albert", named("John Albert", "Pemberly", HOME, BORN)),
    ],
    "sisters with a middle name in common": [
        ("anna", named("Anna Maria", "Delvecchio", HOME, PHONE)),
        ("rosa", named("Rosa Maria", "Delvecchio", HOME, PHONE)),
    ],
    **{
        f"{one} and {other}": [
            (one, named(one, "Hollander", HOME, PHONE)),
            (other, named(other, "Hollander", HOME, PHONE)),
        ]
        for one, other in (
            *(("Jan", "Jana"), ("Maria", "Mario"), ("Gary", "Mary"), ("Karl", "Kari"), ("Anna", "Hanna")),
            *(("Louis", "Louise"), ("Michael", "Michelle"), ("Daniel", "Danielle"), ("Simon", "Simone")),
            *(("Christian", "Christiane"), ("Carlos", "Carla"), ("Stephen", "Stephanie"), ("Wei", "Mei")),
        )
    },
    **{
        f"{one} or {other}": [
            (one, named(one, "Zimmerle", FAR, email=f"zimmerle{one.lower()}81@mailbox.example")),
            (one, named(other, "Zimmerle", FAR, email=f"zimmerle{one.lower()}81@mailbox.example")),
        ]
        for one, other in (
            ("Michael", "Micheal"),
            ("Steven", "Stephen"),
            ("Katherine", "Kathryn"),
            ("Erik", "Eric"),
            ("Sara", "Sarah"),
            ("Robert", "Bob"),
            ("Margaret", "Margret"),
        )
    },
    "surname and number in the mailbox": [
        ("susan", named("Susan", "Cochran", email="susan.cochran723@mailbox.example")),
        ("susan", named("Susan", "Cochran", email="cochran.susan723@posteo.example")),
    ],
    "surname and other numbers in the mailbox": [
        ("one", named("Sandra", "Corcoran", email="sandra.corcoran723@mailbox.example")),
        ("other", named("Sandra", "Corcoran", email="corcoran.sandra914@posteo.example")),
    ],
    "another member of a household": [
        ("edith", named("Edith", "Vanterpool", HOME)),
        ("norman", named("Norman", "Vanterpool", HOME)),
        ("edith", named("Edith", "Vanterpol", HOME)),
    ],
    "a mailbox between two": [
        ("elder", named("Cosmo", "Ravensdale", HOME, birth="1938-03-12", email="cosmo.r@mailbox.example")),
        ("elder", named("Cosmo", "Ravensdale", email="cosmo.r@mailbox.example")),
        ("younger", named("Cosmo", "Ravensdale", FAR, birth="1979-10-05", email="ravensdale99@posteo.example")),
    ],
    "initials alone": [
        (f"jo{n}", named("J", "O", email=f"box{n}{n}7@mailbox.example", phone=f"55531{n}88{n}2")) for n in range(4)
    ],
    "initials and one mailbox": [
        ("jo", named("J", "O", email="joreilly55@posteo.example", phone="5552907741")),
        ("jo", named("J", "O", email="joreilly55@posteo.example", phone="5552907741")),
    ],
    **{
        f"default date {date}": [
            (f"mary{n}", named("Mary", "Smith", birth=date, phone=f"55566{n}41{n}7", city=CITIES[n])) for n in range(4)
        ]
        for date in ("1900-01-01", "1970-01-01")
    },
    "a date of their own": [
        ("mary", named("Marybeth", "Smithers", HOME, birth="1963-08-21")),
        ("mary", named("Marybeth", "Smithers", birth="1963-08-21")),
    ],
    "twins": [
        ("clara", named("Clara", "Oswin", HOME, PHONE, birth="1990-06-02")),
        ("carla", named("Carla", "Oswin", HOME, PHONE, birth="1990-06-02")),
    ],
    "father and son": [
        ("father", named("Desmond", "Achterberg", HOME, PHONE, BORN)),
        ("son", named("Desmond", "Achterberg", HOME, PHONE, BORN_LATER)),
    ],
    "a rare name alone, and two born forty years apart": [
        ("elder", named("Zebulon", "Quackenbush", birth="1931-02-17")),
        ("younger", named("Zebulon", "Quackenbush", birth="1971-11-05")),
        ("unknown", named("Zebulon", "Quackenbush")),
    ],
    "a rare name alone, and one date of birth": [
        ("one", named("Leopoldina", "Quackenbosch", HOME, birth="1931-02-17")),
        ("one", named("Leopoldina", "Quackenbosch", HOME)),
    ],
    "one person of one company": [
        ("steven", named("Steven", "Brown", company="Thistlewood Instruments", city="Dover")) for _ in range(3)
    ],
    "others of one company": [
        (f"{given} {surname}", named(given, surname, company="Corbett Thistledown Foundry"))
        for given, surname in (
            ("Michael", "Collier"),
            ("Michael", "Espinoza"),
            ("James", "Mathis"),
            ("Crystal", "James"),
            ("Daniel", "Diaz"),
            ("Daniel", "Barber"),
        )
    ],
    "a name in two scripts": [
        ("one", named("Mohammed", "Al-Ali", phone="5552017346", email="m.alali71@posteo.example")),
        ("one", named("محمد", "العلي", phone="5552017346", email="m.alali71@posteo.example")),
    ],
    "day and month swapped": [
        ("one", named("Desiree", "Achterhuis", HOME, MAIL, birth="1961-04-07")),
        ("one", named("Desiree", "Achterhuis", HOME, MAIL, birth="1961-07-04")),
    ],
}


COMPANY_CASES: dict[str, Case] = {
    "pages at one host": [
        (name, {"company": name, "city": CITIES[n], "website": f"https://www.{host}/{n}thpage"})
        for n, (name, host) in enumerate(
            (
                ("Tulliver Bakery", "facebook.com"),
                ("Dorlcote Motors", "facebook.com"),
                ("Garum Opticians", "facebook.com"),
                ("Deane Upholstery", "sites.google.com"),
                ("Glegg Chandlery", "sites.google.com"),
            )
        )
    ],
    "a page at a host, and a site of its own": [
        ("one", {"company": "Pascarel Joinery", "website": "https://facebook.com/pascarel"} | HOME),
        ("one", {"company": "Pascarel Joinery", "website": "pascareljoinery.example"} | HOME),
    ],
    "umlauts spelt out": [
        ("one", {"company": "Müller & Söhne GmbH", "website": "mueller-soehne.example"} | FAR),
        ("one", {"company": "Mueller und Soehne GmbH"} | FAR),
    ],
    "two firms of one family name": [
        ("one", {"company": "Köhler Dachbau GmbH", "city": "Salem", "phone": "5552901184"}),
        ("other", {"company": "Koehler Treuhand AG", "city": "Salem", "phone": "5558120033"}),
    ],
    "two scripts and one website": [
        ("one", {"company": "ООО Ромашка", "website": "romashka.example"}),
        ("one", {"company": "Romashka LLC", "website": "romashka.example"}),
    ],
}


def expected(case: Case) -> set[tuple[int, int]]:
    return {(i, j) for i, j in combinations(range(len(case)), 2) if case[i][0] == case[j][0]}


Rows = list[tuple[str, str, dict[str, str]]]


def tables() -> dict[str, tuple[dict[str, Case], Rows]]:
    """The cases of people and of companies, each with the records around them."""
    return {
        "person": (CASES, hard_cases(5, OTHERS, each=0, background=300)),
        "company": (COMPANY_CASES, hard_cases(5, OTHER_COMPANIES, each=0, background=60)),
    }


def rows_of(cases: dict[str, Case], background: Rows) -> Rows:
    """The records of all cases, in their order, then the others."""
    return [(name, f"{name} {who}", record) for name, case in cases.items() for who, record in case] + background


def by_case(cases: dict[str, Case], owners: Iterable[str]) -> dict[str, list[str]]:
    """The owners of each case's records, of those of all records in their order."""
    of_all = iter(owners)
    return {name: list(islice(of_all, len(case))) for name, case in cases.items()}


@pytest.fixture(scope="module")
def in_a_file(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The cluster of each record of each case, in a table of people or of companies among others."""
    folder = tmp_path_factory.mktemp("file")
    owners: dict[str, list[str]] = {}
    for cases, background in tables().values():
        table = write_table(folder / "table.csv", rows_of(cases, background), headings="plain")
        resolve_file(table, key="row", truth="truth", out=folder / "found.csv")
        with (folder / "found.csv").open(encoding="utf-8") as file:
            found = {int(row["record_key"]): row["cluster_id"] for row in csv.DictReader(file)}
        owners |= by_case(cases, (found[number] for number in range(len(found))))
    return owners


@pytest.fixture(scope="module")
def in_the_pipeline(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The customer of each record of each case, in a lake among others; records of a case are of several objects."""
    folder = tmp_path_factory.mktemp("lake")
    records = {
        kind: [
            CONFORMED[kind](f"mysql|{kind}{number % 5}|{number:05}", record)
            for number, (_, _, record) in enumerate(rows_of(cases, background))
        ]
        for kind, (cases, background) in tables().items()
    }
    with small_lake(folder) as lake:
        resolve_day(lake, folder, [record for of_kind in records.values() for record in of_kind])
        owners = dict(rows(lake, "SELECT record_id, customer_id FROM lake.resolved.xref"))
    return {
        name: found
        for kind, (cases, _) in tables().items()
        for name, found in by_case(cases, (owners[record["record_id"]] for record in records[kind])).items()
    }


def customer_record(record_id: str, record: dict[str, str]) -> Record:
    """The record as conforming makes it."""
    number, _, street = record.get("street", "").partition(" ")
    mail = record.get("email", "").lower() or None
    is_placeholder = mail is None or mail.startswith("none@")
    return {
        "record_id": record_id,
        "entity_type": "person",
        "given_name": record.get("given"),
        "surname": record.get("surname"),
        "full_name": f"{record.get('given', '')} {record.get('surname', '')}".strip(),
        "date_of_birth": record.get("birth"),
        "email": None if is_placeholder else mail,
        "email_canonical": None if is_placeholder else mail,
        "email_domain": None if is_placeholder else (mail or "").partition("@")[2],
        "phone": f"+1{record['phone']}" if "phone" in record else None,
        "street": street or None,
        "house_number": number or None,
        **{column: record.get(field) for column, field in
           (("company_name", "company"), ("city", "city"), ("postcode", "postcode"), ("country_code", "country"),
            ("unit", "unit"))},
    }  # fmt: skip


def company_record(record_id: str, record: dict[str, str]) -> Record:
    """The company's record as conforming makes it."""
    name = normalise_company(record["company"])
    website = record.get("website", "").partition("//")
    return customer_record(record_id, record) | {
        "entity_type": "company",
        "given_name": None,
        "surname": None,
        "full_name": name.full,
        "company_name": name.name,
        "legal_form": name.legal_form,
        "website_domain": (website[2] or website[0]).partition("/")[0].removeprefix("www.") or None,
    }


CONFORMED = {"person": customer_record, "company": company_record}


@pytest.mark.parametrize("name", [*CASES, *COMPANY_CASES])
@pytest.mark.parametrize("where", ["in_a_file", "in_the_pipeline"])
def test_case(request: pytest.FixtureRequest, where: str, name: str) -> None:
    owners = request.getfixturevalue(where)[name]
    together = {(i, j) for i, j in combinations(range(len(owners)), 2) if owners[i] == owners[j]}
    assert together == expected((CASES | COMPANY_CASES)[name])
