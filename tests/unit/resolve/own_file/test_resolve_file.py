"""Resolving a file: what is inferred, what comes out, and how bad files and specs are refused."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.errors import DataFlowError, UsageError
from dataflow.resolve.comparisons import SPECS
from dataflow.resolve.comparisons.parts import BlockingRule
from dataflow.resolve.own_file.kinds import companies_among, infer_kinds, type_of_names
from dataflow.resolve.own_file.resolve_file import FileSpec, affordable, read_file_spec, resolve_file
from dataflow.resolve.records.match_record import RULE_BITS
from lakehouse.connect import connect
from tests.lib.identities import population

COLUMNS = {
    "First Name": "given_name",
    "last_name": "surname",
    "e-mail": "email",
    "dob": "date_of_birth",
    "Zip": "postcode",
}


def people_csv(folder: Path) -> Path:
    path = folder / "people.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *COLUMNS, "answer"])
        for record_id, (entity, record) in population(2, people=60).items():
            writer.writerow([record_id, *(record.get(column) for column in COLUMNS.values()), entity])
    return path


def test_columns_are_recognised_and_rows_of_one_person_found(tmp_path: Path) -> None:
    out = tmp_path / "found.csv"
    found = resolve_file(people_csv(tmp_path), truth="answer", key="id", out=out)
    assert list(found.entity_types) == ["person"]
    assert found.kinds == {
        "First Name": "given_name", "last_name": "surname", "e-mail": "email", "dob": "date_of_birth", "Zip": "postcode"
    }  # fmt: skip
    assert found.evaluation is not None
    assert found.evaluation.pairwise_f1 > 0.9
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == found.records
    assert len({row["cluster_id"] for row in rows}) == found.clusters
    assert all(0 < float(row["confidence"]) <= 1 for row in rows)


VALUES = {
    "email": ["ann.gray@x.example", "bob@y.example"],
    "phone": ["(555) 123-4567", "555-987-6543"],
    "date_of_birth": ["1980-02-03", "1975-11-30"],
    "website": ["www.x.example", "https://y.example/a"],
    "postcode": ["12345", "AB1 2CD"],
    "house_number": ["12", "7b"],
    "address": ["12 Oak Street", "7 Hill Road"],
    "given_name": ["Robert", "Katherine"],
    "surname": ["Gray", "O'Hara"],
    "full_name": ["Robert Gray", "Katherine Hill"],
    "company_name": ["Gray Academy", "Hill Grill"],
    "line": ["12 Oak Street, Riverton, 10101", "7 Hill Road, Flat 3, Dover, 10102"],
    "number": ["112233445", "998877665"],
    "type": ["PERSON", "ORGANIZATION"],
    "titles": ["Mr.", "Mrs"],
    "year": ["1980", "1975.0"],
    "month": ["2", "11"],
    "day": ["07", "30"],
    "other": ["red round", "blue square"],
}


@pytest.mark.parametrize(
    ("columns", "kinds"),
    [
        ({"FirstName": "given_name", "LastName": "other"}, ["given_name", "surname"]),
        (
            {"name": "full_name", "addr": "address", "city": "other", "phone": "phone"},
            ["full_name", "address", "city", "phone"],
        ),
        (
            {"full_name": "full_name", "first_and_surname": "full_name", "surname": "other"},
            ["full_name", "ignore", "surname"],
        ),
        (
            {"street_number": "house_number", "address_1": "address", "address_2": "other", "suburb": "other"},
            ["house_number", "address", "line2", "city"],
        ),
        ({"Email": "email", "Email2": "email", "notes": "other"}, ["email", "email", "free_text"]),
        # values that contradict the name
        ({"email": "date_of_birth", "website": "other", "zip": "other"}, ["date_of_birth", "ignore", "ignore"]),
        # columns that only their values tell
        (
            {"a": "email", "b": "phone", "c": "date_of_birth", "d": "address", "e": "given_name", "f": "other"},
            ["email", "phone", "date_of_birth", "address", "given_name", "ignore"],
        ),
        ({"x": "full_name", "y": "website"}, ["full_name", "website"]),
        # of surnames only their place tells
        ({"x": "other", "y": "given_name", "z": "surname"}, ["ignore", "given_name", "surname"]),
        ({"x": "surname", "y": "given_name", "z": "other"}, ["surname", "given_name", "ignore"]),
        ({"x": "given_name", "y": "surname", "last name": "other"}, ["given_name", "ignore", "surname"]),
        ({"x": "company_name"}, ["company_name"]),
        # other languages and capitals
        (
            {"PRÉNOM": "given_name", "Nom de famille": "other", "Date de naissance": "date_of_birth", "Ville": "other"},
            ["given_name", "surname", "date_of_birth", "city"],
        ),
        ({"Имя": "given_name", "Фамилия": "other", "Телефон": "phone"}, ["given_name", "surname", "phone"]),
        ({"姓名": "full_name", "电话": "phone", "公司": "company_name"}, ["full_name", "phone", "company_name"]),
        ({"Nome": "full_name", "Telefone": "phone"}, ["full_name", "phone"]),
        (
            {"MailingStreet": "address", "mailing_city": "other", "IP Address": "other", "record_type": "type"},
            ["address", "city", "ignore", "entity_type"],
        ),
        # a whole address on one line; numbers of several sorts; the country is not the passport's
        ({"name": "full_name", "address": "line"}, ["full_name", "full_address"]),
        (
            {"passport_number": "number", "passport_country": "other", "tax_id": "number", "country": "other"},
            ["identifier", "ignore", "identifier", "country"],
        ),
        ({"title": "titles", "name": "full_name"}, ["ignore", "full_name"]),
        # a date of birth in parts, unless it is whole elsewhere, or there is no year
        (
            {"fname_c1": "given_name", "by": "year", "bm": "month", "bd": "day"},
            ["given_name", "birth_year", "birth_month", "birth_day"],
        ),
        ({"year of birth": "year", "Geburtstag": "day"}, ["birth_year", "birth_day"]),
        ({"dob": "date_of_birth", "birth_year": "year"}, ["date_of_birth", "ignore"]),
        ({"by": "other", "bm": "month"}, ["ignore", "ignore"]),
        ({"midl_name": "given_name", "name_sufx_cd": "other"}, ["middle_name", "name_suffix"]),
        # headings that somebody cut short
        (
            {"frst_nm": "given_name", "lname": "other", "stNo": "house_number", "add1": "address", "add2": "other"},
            ["given_name", "surname", "house_number", "address", "line2"],
        ),
        (
            {"fullname": "full_name", "ph_no": "phone", "areacode": "postcode", "st": "other", "cty": "other"},
            ["full_name", "phone", "postcode", "region", "city"],
        ),
        # a running number is no house number
        ({"No.": "number", "trading_as": "company_name", "nino": "number"}, ["ignore", "company_name", "identifier"]),
        ({"surname": "other", "given": "given_name", "extra": ""}, ["surname", "given_name", "ignore"]),
    ],
)
def test_kinds_by_name_and_values(columns: dict[str, str], kinds: list[str]) -> None:
    assert list(infer_kinds({name: VALUES.get(like, []) for name, like in columns.items()}, rows=2).values()) == kinds


PEOPLE = ["Robert Gray", "Kate Hill", "Ann Lee"]
COMPANIES = ["Gray Academy", "Robert Gray School", "Hill Grill 12"]


@pytest.mark.parametrize(
    ("names", "type_"),
    [
        (PEOPLE, "person"),
        (COMPANIES, "company"),
        (PEOPLE + COMPANIES, "mixed"),
        # one company in a table of people is hardly what the table is about, and the other way round
        (PEOPLE * 3 + COMPANIES[:1], "person"),
        (PEOPLE[:1] + COMPANIES * 2, "company"),
        (["Zxqv", "Brrl Sdk"], "company"),
    ],
)
def test_people_are_distinguished_from_organisations(names: list[str], type_: str) -> None:
    assert type_of_names(names) == type_


def test_of_names_of_both_the_companies_are_found() -> None:
    names = ["Acme Ltd", "Acme", "Acme Trading", "Robert Gray Ltd", "Robert Gray", "Zxqv"]
    assert companies_among(names) == names[:4]


def test_a_date_of_birth_in_parts_is_one_in_a_column(tmp_path: Path) -> None:
    born = ["1980-02-07", "1980-02-07", "1975-11-30", "1975-11-03", "1960-01-01", "1960-05-05"]
    shown = {"first name": ["Ann"] * 6, "last name": ["Gray"] * 6}
    year, month, day = zip(*(date.split("-") for date in born), strict=True)
    parts = {"by": [*year], "bm": [*month[:4], "", "5"], "bd": [*day[:4], "", "5"]}
    found = []
    for name, birth in (("whole", {"dob": born}), ("parts", parts)):
        folder = tmp_path / name
        folder.mkdir()
        resolve_file(odd_table(folder, shown | birth), out=folder / "found.csv")
        found.append((folder / "found.csv").read_text())
    assert found[0] == found[1]
    assert len({row["cluster_id"] for row in csv.DictReader(found[0].splitlines())}) == 3


@pytest.mark.parametrize("content", ["given_name,surname\n", "colour,shape\nred,round\n", "email\n\n \n"])
def test_a_file_with_nothing_to_compare_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "people.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataFlowError, match="Resolving a file"):
        resolve_file(path)


def test_an_output_of_another_kind_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"found\.json should end in"):
        resolve_file(people_csv(tmp_path), out=tmp_path / "found.json")


def odd_table(folder: Path, columns: dict[str, list[object]]) -> Path:
    path = folder / "table.parquet"
    pq.write_table(pa.table(columns), path)
    return path


NAMES: list[object] = ["Ann Gray", "Bob Hill", "Ann Gray", "Cy Lund"]
MAILS: list[object] = ["ann.gray7@x.example", "bob@x.example", "ann.gray7@x.example", "cy@y.example"]


@pytest.mark.parametrize(
    ("columns", "clusters"),
    [
        ({"name": NAMES, "email": MAILS, "empty": [None] * 4, "phone": [None] * 4}, 3),
        ({"name": NAMES, "email": MAILS, "phone": [float("nan")] * 4, "zip": [1.0, float("nan"), 1.0, 2.0]}, 3),
        ({"name": NAMES, "email": MAILS, "city": ["", " ", "nan", "NULL"], "dob": ["n/a"] * 4}, 3),
        # headings like the names we use ourselves
        (
            {"name": NAMES, "email": MAILS, "cluster": [1] * 4, "record_id": [1] * 4, "cluster_id": [1] * 4,
             "match_weight": [1] * 4, "row number": [1] * 4, "record id": [1] * 4, "c0": [1] * 4, "truth": [1] * 4}, 3,
        ),
        ({"NAME ": NAMES, "E-Mail Adresse": MAILS, "Ausgedachtes": [1, 2, 3, 4]}, 3),
        # mixed types, as text
        ({"name": NAMES, "email": MAILS, "phone": ["+1 555 123 4567", "x", "5551234567", "[]"]}, 3),
        # one column that says anything
        ({"email": MAILS, "colour": ["red"] * 4}, 3),
        ({"email": MAILS[:1]}, 1),
        ({"name": NAMES, "email": MAILS, **{f"extra {n}": [n] * 4 for n in range(300)}}, 3),
        # nothing in a row says anything
        ({"name": [None, None, "test", "unknown"], "email": [None, "none@none.com", "", "test@test.com"]}, 4),
    ],
    ids=["null columns", "nan", "words for nothing", "our own names", "headings", "mixed types", "one column",
         "one row", "300 columns", "empty rows"],
)  # fmt: skip
def test_odd_tables(tmp_path: Path, columns: dict[str, list[object]], clusters: int) -> None:
    out = tmp_path / "found.parquet"
    found = resolve_file(odd_table(tmp_path, columns), out=out)
    assert found.clusters == clusters
    written = pq.read_table(out)
    assert written.column_names == ["record_key", "cluster_id", "confidence"]
    assert written.column("record_key").to_pylist() == list(range(1, len(next(iter(columns.values()))) + 1))


@pytest.mark.parametrize(
    "hot",
    [{"email": "none@none.com"}, {"phone": "5551234567"}, {"email": "info@x.example", "phone": "5551234567"},
     {"city": "Dover", "dob": "1970-01-01", "zip": "10001"}],
)  # fmt: skip
def test_what_all_rows_share_makes_no_giant(tmp_path: Path, hot: dict[str, str]) -> None:
    people = [record for _, record in population(7, people=600).values()]
    columns: dict[str, list[object]] = {
        "first_name": [record["given_name"] for record in people],
        "last_name": [record["surname"] for record in people],
        "street": [f"{record['house_number']} {record['street']}" for record in people],
        **{heading: [value] * len(people) for heading, value in hot.items()},
    }
    found = resolve_file(odd_table(tmp_path, columns), out=tmp_path / "found.csv")
    with (tmp_path / "found.csv").open(encoding="utf-8") as file:
        sizes = Counter(row["cluster_id"] for row in csv.DictReader(file))
    assert found.compared_pairs < 100_000
    assert max(sizes.values()) <= 6


def test_any_number_of_identical_rows_is_one_entity_if_the_evidence_is_enough(tmp_path: Path) -> None:
    people = [record for _, record in population(7, people=60).values()]
    shown = ("given_name", "surname", "email", "phone", "postcode")
    rows = [[record.get(column) for column in shown] for record in people]
    # a person a hundred times, once with another telephone; a name alone as often; a mailbox alone as often
    often: list[object | None] = ["Wilhelmina", "Abernathy", "w.abernathy7@x.example", "5559871234", "10199"]
    rows += [often] * 100 + [[*often[:3], "5559870000", "10199"]]
    rows += [["Ann", "Lee", None, None, None]] * 100 + [[None, None, "orders@y.example", None, None]] * 100
    columns = {column: [row[number] for row in rows] for number, column in enumerate(shown)}
    resolve_file(odd_table(tmp_path, columns | {"truth": [*range(len(rows))]}), truth="truth", out=tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        found = [row["cluster_id"] for row in csv.DictReader(file)]
    assert len(found) == len(rows)
    first = len(people)
    assert len(set(found[first : first + 101])) == 1
    assert len(set(found[first + 101 :])) == 200


def test_names_are_all_that_there_is_of_companies(tmp_path: Path) -> None:
    names: list[object] = ["Acme Widgets Ltd", "ACME WIDGETS Limited", "Globex Corp.", "Globex Corporation"]
    names += ["Initech", "Umbrella Group", "Umbrella Group", "Hooli Inc", "Hooli GmbH", "Acme Gadgets Ltd"]
    resolve_file(odd_table(tmp_path, {"company": names}), out=tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        found = [int(row["cluster_id"]) for row in csv.DictReader(file)]
    assert found == [1, 1, 3, 3, 5, 6, 6, 8, 9, 10]


def test_wrong_pairs_are_counted_by_the_decisive_level(tmp_path: Path) -> None:
    path = people_csv(tmp_path)
    rows = path.read_text(encoding="utf-8").splitlines()
    # the truth says that each is somebody of their own
    path.write_text("\n".join([rows[0], *(f"{row}{n}" for n, row in enumerate(rows[1:]))]), encoding="utf-8")
    found = resolve_file(path, truth="answer", key="id")
    assert {cause.error for cause in found.causes} == {"wrong"}
    keys = {row.split(",")[0] for row in rows[1:]}
    assert all(key in keys for cause in found.causes for pair in cause.examples for key in pair)
    assert "linked by: same date of birth" in {cause.cause for cause in found.causes}


def test_columns_that_are_not_there_and_keys_that_repeat_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("given_name,surname,id\nAnn,Gray,1\nBob,Hill,1\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no column answer"):
        resolve_file(path, truth="answer")
    with pytest.raises(UsageError, match="repeated in 1"):
        resolve_file(path, key="id")
    with pytest.raises(UsageError, match="no column vorname"):
        resolve_file(path, FileSpec(columns={"vorname": "given_name"}))


def test_a_table_too_small_to_learn_from_is_resolved_too(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(
        "given_name,surname,email\nAnn,Gray,a.gray7@x.example\nAnn,Gray,a.gray7@x.example\n", encoding="utf-8"
    )
    found = resolve_file(path)
    assert (found.records, found.clusters) == (2, 1)


@pytest.mark.parametrize(
    "text", ["columns = 3 3", '[columns]\nname = "colour"', 'entity_type = "ship"', "threshold = 3"]
)
def test_a_wrong_spec_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="Reading the spec"):
        read_file_spec(path)


def test_a_spec_is_read(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text('entity_type = "company"\n[columns]\nfirma = "company_name"\n', encoding="utf-8")
    assert read_file_spec(path) == FileSpec(entity_type="company", columns={"firma": "company_name"})


@pytest.mark.parametrize(("pairs", "cap"), [(10, 5), (9, 3), (3, 2), (0, 1)])
def test_wide_keys_of_a_large_table_lose_their_largest_blocks(pairs: int, cap: int) -> None:
    narrow, wide = BlockingRule(name="narrow", key="a", cap=9), BlockingRule(name="wide", key="b", cap=5)
    spec = replace(SPECS["person"], blocking=(narrow, wide), wide=(wide,))
    # wide blocks of 2, 3 and 4 records hold 1, 3 and 6 pairs; one of 7 is over the cap, and the narrow one is not asked
    keys = [(1, size) for size in (2, 3, 4, 7)] + [(0, 9)]
    con = connect()
    rows = ", ".join(
        f"([{number * RULE_BITS + rule}::UBIGINT])" for number, (rule, n) in enumerate(keys) for _ in range(n)
    )
    con.execute(f"CREATE TEMP TABLE record AS SELECT * FROM (VALUES {rows}) v(block_keys)")
    found = affordable(con, "record", spec, pairs=pairs)
    con.close()
    assert [rule.cap for rule in found.blocking] == [9, cap]
