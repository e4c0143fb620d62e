"""A small population of customer records with known entities, for tests of the resolver."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

import duckdb

from dataflow.resolve.comparisons import SPECS
from dataflow.resolve.records.match_record import INPUT_COLUMNS, make_match_records

Record = dict[str, Any]

GIVEN = [
    "James",
    "Mary",
    "Robert",
    "Patricia",
    "John",
    "Linda",
    "Michael",
    "Barbara",
    "David",
    "Susan",
    "William",
    "Jessica",
    "Richard",
    "Karen",
    "Joseph",
    "Sarah",
    "Thomas",
    "Nancy",
    "Charles",
    "Margaret",
    "Daniel",
    "Lisa",
    "Matthew",
    "Betty",
    "Anthony",
    "Sandra",
    "Mark",
    "Ashley",
    "Paul",
    "Emily",
    "Steven",
    "Donna",
    "Andrew",
    "Michelle",
    "Kenneth",
    "Carol",
    "George",
    "Amanda",
    "Joshua",
    "Melissa",
]
SURNAMES = [
    "Smith",
    "Johnson",
    "Williams",
    "Brown",
    "Jones",
    "Garcia",
    "Miller",
    "Davis",
    "Rodriguez",
    "Martinez",
    "Hernandez",
    "Lopez",
    "Gonzalez",
    "Wilson",
    "Anderson",
    "Thomas",
    "Taylor",
    "Moore",
    "Jackson",
    "Martin",
    "Lee",
    "Perez",
    "Thompson",
    "White",
    "Harris",
    "Sanchez",
    "Clark",
    "Ramirez",
    "Lewis",
    "Robinson",
    "Walker",
    "Young",
    "Allen",
    "King",
    "Wright",
    "Scott",
    "Torres",
    "Nguyen",
    "Hill",
    "Flores",
    "Green",
    "Adams",
    "Nelson",
    "Baker",
    "Hall",
    "Rivera",
    "Campbell",
]
CITIES = ("Springfield", "Riverton", "Lakeside", "Fairview", "Greenville", "Oakdale")
STREETS = ("Main Street", "Oak Avenue", "Maple Drive", "Cedar Lane", "Park Road", "Hill Court", "Lake View")
TRADES = ("Software", "Logistics", "Bakery", "Textiles", "Energy", "Consulting", "Optics")


def person(chance: random.Random, number: int) -> Record:
    """One person as a source would know them in full."""
    given, surname = chance.choice(GIVEN), chance.choice(SURNAMES)
    mailbox = f"{given[0]}{surname}{number}".lower()
    return {
        "entity_type": "person",
        "given_name": given,
        "surname": surname,
        "full_name": f"{given} {surname}",
        "date_of_birth": f"{chance.randint(1940, 2004)}-{chance.randint(1, 12):02}-{chance.randint(2, 28):02}",
        "email": f"{mailbox}@example.com",
        "email_canonical": f"{mailbox}@example.com",
        "email_domain": "example.com",
        "phone": f"+1555{chance.randint(1000000, 9999999)}",
        "street": chance.choice(STREETS),
        "house_number": str(chance.randint(1, 400)),
        "city": chance.choice(CITIES),
        "postcode": f"{chance.randint(10000, 10400)}",
        "country_code": "US",
    }


def company(chance: random.Random, number: int) -> Record:
    """One company."""
    name = f"{chance.choice(SURNAMES)} {chance.choice(TRADES)} {chance.choice(('Inc', 'LLC'))}"
    domain = f"{name.split()[0]}{name.split()[1]}{number}.com".lower()
    place = person(chance, number)
    return {
        "entity_type": "company",
        "full_name": name,
        "company_name": name,
        "website_domain": domain,
        **{column: place[column] for column in ("phone", "street", "house_number", "city", "postcode", "country_code")},
    }


def seen_again(chance: random.Random, record: Record) -> Record:
    """The same entity as another source knows it: a field or two missing, a letter wrong now and then."""
    again = dict(record)
    for column in chance.sample(["date_of_birth", "phone", "street", "email_canonical"], k=2):
        if column in again:
            again[column] = None
    if again.get("email_canonical") is None:
        again["email"] = again["email_domain"] = None
    if record["entity_type"] == "person" and chance.random() < 0.3:
        name = again["surname"]
        spot = chance.randrange(1, len(name))
        again["surname"] = name[:spot] + name[spot - 1] + name[spot:]
    return again


def population(seed: int, *, people: int, companies: int = 0) -> dict[str, tuple[str, Record]]:
    """Record id to (entity, record): two or three records of each entity."""
    chance = random.Random(seed)
    made: dict[str, tuple[str, Record]] = {}
    for number in range(people + companies):
        entity = person(chance, number) if number < people else company(chance, number)
        for copy in range(chance.randint(1, 3)):
            record = entity if copy == 0 else seen_again(chance, entity)
            source = ("salesforce", "mysql", "tickets")[copy]
            record_id = f"{source}|record|{number:04}"
            made[record_id] = (f"entity {number}", {"record_id": record_id, "_source": source, **record})
    return made


def match_records(con: duckdb.DuckDBPyConnection, records: Iterable[Mapping[str, Any]], *, into: str) -> None:
    """Make the temporary table `into` of match records from records given as mappings."""
    rows = [[record.get(column) for column in INPUT_COLUMNS] for record in records]
    columns = ", ".join(f"{column} VARCHAR" for column in INPUT_COLUMNS)
    con.execute(f"CREATE OR REPLACE TEMP TABLE given_record ({columns})")
    con.executemany(f"INSERT INTO given_record VALUES ({', '.join('?' * len(INPUT_COLUMNS))})", rows)
    make_match_records(con, "FROM given_record", SPECS.values(), into=into)
