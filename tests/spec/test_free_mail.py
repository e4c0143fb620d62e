"""A mailbox that anyone can have names no employer: which provider it is of changes nothing."""

import csv
import random
from pathlib import Path

import duckdb
import pytest

from dataflow.resolve.comparisons import SPECS
from dataflow.resolve.own_file.resolve_file import resolve_file
from dataflow.resolve.records.match_record import INPUT_COLUMNS, RULE_BITS, make_match_records

KNOWN = "yahoo.fr"
FREE = ("yahoo.it", "tutanota.com", "gmx.at", "web.de", "hotmail.com.tr")
EMPLOYER = "acme.example"
SYLLABLES = ("ba", "cor", "den", "fil", "gor", "hal", "jin", "kel", "lam", "mor", "nev", "pol", "quin", "ras", "tor")
COLUMNS = ("company", "email", "street", "city")


def companies(domain: str) -> list[dict[str, str]]:
    """Eighty companies at one domain, every fourth of them twice: with its legal form spelt out, in capitals."""
    chance = random.Random(7)
    rows = []
    for number in range(80):
        name = " ".join("".join(chance.choices(SYLLABLES, k=3)).capitalize() for _ in range(2))
        street = f"{chance.randint(1, 99)} {''.join(chance.choices(SYLLABLES, k=2)).capitalize()} Road"
        city = chance.choice(["Leeds", "York", "Bath", "Truro", "Derby", "Ripon"])
        mailbox = f"{name.replace(' ', '.').lower()}@{domain}"
        rows.append({"company": f"{name} Ltd", "email": mailbox, "street": street, "city": city})
        if number % 4 == 0:
            other = mailbox if number % 8 else f"{name.split()[1].lower()}@{domain}"
            rows.append({"company": f"{name.upper()} LIMITED", "email": other, "street": street, "city": city})
    return rows


def partition(folder: Path, domain: str) -> set[frozenset[str]]:
    """Resolve the companies of a domain; the row numbers of each cluster."""
    file, out = folder / f"{domain}.csv", folder / f"{domain}.out.csv"
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, COLUMNS)
        writer.writeheader()
        writer.writerows(companies(domain))
    resolve_file(file, out=out)
    clusters: dict[str, set[str]] = {}
    with out.open(newline="") as opened:
        for row in csv.DictReader(opened):
            clusters.setdefault(row["cluster_id"], set()).add(row["record_key"])
    return {frozenset(keys) for keys in clusters.values()}


def test_a_table_resolves_alike_whatever_its_free_mail(tmp_path: Path) -> None:
    known = partition(tmp_path, KNOWN)
    assert sorted({len(cluster) for cluster in known}) == [1, 2]
    assert [domain for domain in FREE[:3] if partition(tmp_path, domain) != known] == []


def match_record(domain: str) -> tuple[object, list[str]]:
    """The domain that a company's record is compared by, and the rules that it is blocked by."""
    values = {
        "record_id": "a",
        "entity_type": "company",
        "company_name": "Acme Tools Ltd",
        "email_canonical": f"ann@{domain}",
        "email_domain": domain,
        "city": "Leeds",
    }
    columns = ", ".join(f"{repr(values[c]) if c in values else 'NULL'}::VARCHAR AS {c}" for c in INPUT_COLUMNS)
    spec = SPECS["company"]
    with duckdb.connect() as con:
        make_match_records(con, f"SELECT {columns}", [spec], into="made")
        ((compared, keys),) = con.execute("SELECT domain, block_keys FROM made").fetchall()
    return compared, sorted(spec.blocking[key % RULE_BITS].name for key in keys)


@pytest.mark.parametrize("domain", FREE)
def test_free_mail_is_neither_compared_nor_blocked_on(domain: str) -> None:
    assert match_record(domain) == match_record(KNOWN)
    assert match_record(domain)[0] is None


def test_an_employers_domain_is_compared_and_blocked_on() -> None:
    compared, rules = match_record(EMPLOYER)
    assert compared == EMPLOYER
    assert set(rules) - set(match_record(KNOWN)[1]) == {"domain"}
