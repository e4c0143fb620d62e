"""Lists of people with the truth, as others keep them: a census taken twice, and tickets of a help desk.

A row is (entity, record); both lists are the same for one seed.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from pathlib import Path

from dataflow.sample.pools import languages
from tests.lib.hard_cases import CITIES, STREETS

Row = tuple[str, dict[str, str]]


def census(seed: int, *, households: int, missed: float = 0.15, wrong: float = 0.12) -> list[Row]:
    """Households listed twice: given name, middle initial, surname, house and street; no birth, mail or telephone.

    People are missed by one of the takers, and names are misspelt.
    """
    chance = random.Random(seed)
    rows: list[Row] = []
    for house in range(households):
        surname = _surname(chance)
        place = {"house": str(chance.randint(1, 400)), "street": chance.choice(STREETS), "city": chance.choice(CITIES)}
        given: set[str] = set()
        for member in range(chance.choice((1, 2, 2, 3, 4, 5))):
            first = _given(chance, member % 2)
            if first in given:
                continue
            given.add(first)
            initial = chance.choice("ABCDEFGHJLMPRSTW") if chance.random() < 0.7 else ""
            person = {"given": first, "middle": initial, "surname": surname, **place}
            for taker in range(2):
                if chance.random() < missed:
                    continue
                seen = dict(person)
                if taker and chance.random() < wrong:
                    spoilt = chance.choice(("given", "surname", "street"))
                    seen[spoilt] = misspelt(chance, seen[spoilt])
                if taker and initial and chance.random() < 0.2:
                    seen["middle"] = ""
                rows.append((f"{house} {first}", seen))
    chance.shuffle(rows)
    return rows


def tickets(seed: int, *, people: int) -> list[Row]:
    """Tickets of a help desk: a name, mostly an e-mail made of it, now and then a telephone; many share a name."""
    chance = random.Random(seed)
    rows: list[Row] = []
    for number in range(people):
        given, surname = _given(chance, number % 2), _surname(chance)
        number_of_mailbox = chance.randint(10, 999)
        mailbox = f"{given}.{surname}{number_of_mailbox}@{chance.choice(('mail', 'post', 'inbox'))}.example"
        phone = f"555{chance.randint(2000000, 9999999)}"
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            record = {"given": given, "surname": surname, "email": mailbox.lower().replace(" ", ""), "phone": ""}
            if chance.random() < 0.3:
                record |= {"phone": phone}
            rows.append((f"person {number}", record))
    chance.shuffle(rows)
    return rows


def misspelt(chance: random.Random, text: str) -> str:
    spot = chance.randrange(1, len(text))
    kind = chance.randrange(3)
    if kind == 0:
        return text[:spot] + text[spot - 1] + text[spot:]
    if kind == 1:
        return text[:spot] + text[spot + 1 :]
    return text[:spot] + chance.choice("aeioulnrst") + text[spot + 1 :]


def write_list(path: Path, rows: Sequence[Row]) -> Path:
    """A CSV with the columns `row` and `truth` and those of the records."""
    fields = list(dict.fromkeys(field for _, record in rows for field in record))
    names = {"given": "first_name", "middle": "middle_initial", "surname": "last_name", "house": "house_number"}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "truth", *(names.get(field, field) for field in fields)])
        for number, (entity, record) in enumerate(rows):
            writer.writerow([number, entity, *(record.get(field, "") for field in fields)])
    return path


def _given(chance: random.Random, which: int) -> str:
    names = languages()["en"].given[which].latin
    # a few names are common, as everywhere
    return str(names[min(int(chance.expovariate(0.06)), len(names) - 1)])


def _surname(chance: random.Random) -> str:
    names = languages()["en"].surname[0].latin
    return str(names[min(int(chance.expovariate(0.04)), len(names) - 1)])
