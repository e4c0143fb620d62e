"""Hard cases of identity, as a table: two records, and whether they are linked.

The model is trained on a small population without labels; each case is then scored like any pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from dataflow.resolve.comparisons import SPECS
from dataflow.resolve.model.model import Epoch
from dataflow.resolve.pairs.numbers import numbered
from dataflow.resolve.pairs.scoring import score_pairs
from dataflow.resolve.training.epoch import train_epoch
from tests.lib.identities import match_records, population

ADDRESS = {"street": "Maple Drive", "house_number": "12", "city": "Riverton", "postcode": "10123", "country_code": "US"}
MAIL = {"email_canonical": "whoever77@example.org", "email_domain": "example.org"}
PHONE = {"phone": "+15551234567"}
BORN = {"date_of_birth": "1961-04-17"}
KATE = {"given_name": "Katherine", "surname": "Underhill"}
OLIVER = {"given_name": "Oliver", "surname": "Noakes"}
OFFICE = {"company_name": "Underhill Optics", "website_domain": "underhilloptics.example", **ADDRESS}

Case = tuple[str, dict[str, Any], dict[str, Any], bool]

PEOPLE: tuple[Case, ...] = (
    ("nickname", KATE | MAIL, {"given_name": "Kate", "surname": "Underhill"} | MAIL, True),
    ("initial", KATE | PHONE | ADDRESS, {"given_name": "K", "surname": "Underhill"} | PHONE, True),
    ("names swapped", KATE | BORN, {"given_name": "Underhill", "surname": "Katherine"} | BORN, True),
    (
        "surname changed",
        KATE | BORN | MAIL | PHONE,
        {"given_name": "Katherine", "surname": "Noakes"} | BORN | MAIL | PHONE,
        True,
    ),
    (
        "moved house",
        KATE | BORN | MAIL | ADDRESS,
        KATE | BORN | MAIL | {"street": "Hill Court", "city": "Oakdale", "postcode": "10399"},
        True,
    ),
    ("letter wrong", KATE | MAIL, {"given_name": "Katherine", "surname": "Underhil"} | MAIL, True),
    (
        "diacritics",
        {"given_name": "Zoë", "surname": "Müller"} | MAIL,
        {"given_name": "Zoe", "surname": "Muller"} | MAIL,
        True,
    ),
    (
        "other script",
        {"given_name": "Анна", "surname": "Иванова"} | PHONE,
        {"given_name": "Anna", "surname": "Ivanova"} | PHONE,
        True,
    ),
    (
        "day and month swapped",
        KATE | MAIL | {"date_of_birth": "1961-04-07"},
        KATE | MAIL | {"date_of_birth": "1961-07-04"},
        True,
    ),
    (
        "compound surname",
        KATE | MAIL | BORN,
        {"given_name": "Katherine", "surname": "Underhill-Noakes"} | MAIL | BORN,
        True,
    ),
    (
        "father and son by birth",
        KATE | ADDRESS | PHONE | BORN,
        KATE | ADDRESS | PHONE | {"date_of_birth": "1989-11-30"},
        False,
    ),
    (
        "father and son by generation",
        KATE | ADDRESS | {"name_suffix": "Sr"},
        KATE | ADDRESS | {"name_suffix": "Jr", "date_of_birth": "1989-11-30"},
        False,
    ),
    (
        "twins",
        KATE | ADDRESS | BORN | PHONE,
        {"given_name": "Imogen", "surname": "Underhill"} | ADDRESS | BORN | PHONE,
        False,
    ),
    (
        "spouses on one mailbox",
        KATE | MAIL | ADDRESS,
        {"given_name": "Oliver", "surname": "Underhill"} | MAIL | ADDRESS,
        False,
    ),
    (
        "strangers of one name",
        {"given_name": "Mary", "surname": "Smith"},
        {"given_name": "Mary", "surname": "Smith"},
        False,
    ),
    ("colleagues", KATE | {"company_name": "Acme"}, OLIVER | {"company_name": "Acme"}, False),
    ("neighbours", KATE | ADDRESS, OLIVER | ADDRESS, False),
    (
        "telephones one digit apart",
        {"given_name": "Mary", "surname": "Jones"} | PHONE,
        {"given_name": "John", "surname": "Smith", "phone": "+15551234568"},
        False,
    ),
    (
        "recycled mailbox",
        KATE | MAIL | BORN,
        {"given_name": "Oliver", "surname": "Noakes", "date_of_birth": "1990-01-15"} | MAIL,
        False,
    ),
)

COMPANIES: tuple[Case, ...] = (
    ("legal form left out", OFFICE, OFFICE | {"company_name": "Underhill Optics LLC"}, True),
    (
        "ampersand",
        OFFICE | {"company_name": "Hill & Dale Optics"},
        OFFICE | {"company_name": "Hill and Dale Optics Ltd"},
        True,
    ),
    ("letter wrong", OFFICE, OFFICE | {"company_name": "Underhil Optics"}, True),
    (
        "branches with store numbers",
        OFFICE | {"company_name": "Underhill Optics 12"},
        OFFICE | {"company_name": "Underhill Optics 47", "city": "Oakdale", "street": "Park Road", "postcode": "10321"},
        False,
    ),
    (
        "parent and subsidiary elsewhere",
        OFFICE,
        OFFICE
        | {
            "company_name": "Underhill Optics Europe",
            "city": "Lyon",
            "street": "Rue Neuve",
            "postcode": "69001",
            "country_code": "FR",
        },
        False,
    ),
    (
        "tenants of one address",
        {"company_name": "Underhill Optics"} | ADDRESS,
        {"company_name": "Noakes Bakery"} | ADDRESS,
        False,
    ),
    ("one switchboard", {"company_name": "Underhill Optics"} | PHONE, {"company_name": "Noakes Bakery"} | PHONE, False),
)

CASES = [("person", case) for case in PEOPLE] + [("company", case) for case in COMPANIES]


@pytest.fixture(scope="module")
def weights() -> Iterator[dict[tuple[str, str], tuple[float, Epoch]]]:
    """Weight of every case, all scored together."""
    background = [record for _, record in population(4, people=250, companies=120).values()]
    sides = [
        {"record_id": f"case|{kind}|{name}|{side}", "entity_type": kind, **record}
        for kind, (name, left, right, _) in CASES
        for side, record in (("l", left), ("r", right))
    ]
    with duckdb.connect() as con:
        match_records(con, background, into="background")
        match_records(con, sides, into="side")
        found: dict[tuple[str, str], tuple[float, Epoch]] = {}
        for kind, spec in SPECS.items():
            con.execute(f"CREATE OR REPLACE TEMP TABLE trained AS FROM background WHERE entity_type = '{kind}'")
            epoch = train_epoch(con, "trained", spec=spec, frequencies=f"frequency_{kind}")
            con.execute(f"""
                CREATE OR REPLACE TEMP TABLE pair AS
                SELECT record_id AS record_id_l, left(record_id, -1) || 'r' AS record_id_r FROM side
                WHERE entity_type = '{kind}' AND right(record_id, 1) = 'l'
            """)
            score_pairs(con, numbered("pair"), "side", epoch, spec=spec, into="scored")
            for record_id, probability in con.execute("SELECT record_id_l, match_probability FROM scored").fetchall():
                found[kind, record_id.split("|")[2]] = (probability, epoch)
        yield found


@pytest.mark.parametrize(
    ("kind", "name", "same"),
    [(kind, name, same) for kind, (name, _, _, same) in CASES],
    ids=[f"{kind}: {name}" for kind, (name, *_) in CASES],
)
def test_case(weights: dict[tuple[str, str], tuple[float, Epoch]], kind: str, name: str, same: bool) -> None:
    probability, epoch = weights[kind, name]
    assert (probability >= epoch.link_threshold) is same
