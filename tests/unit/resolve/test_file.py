"""Resolving a file: what is inferred, what comes out, and how bad files and specs are refused."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from dataflow.errors import DataFlowError, SourceMalformed, SourceMissing, UsageError
from dataflow.resolve.file import FileSpec, read_file_spec, resolve_file
from dataflow.resolve.kinds import infer_kinds, looks_like_people
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
    "full_name": ["Robert Gray", "Katherine Hill"],
    "company_name": ["Gray Academy", "Hill Grill"],
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
        ({"x": "company_name"}, ["company_name"]),
        ({"surname": "other", "given": "given_name", "extra": ""}, ["surname", "given_name", "ignore"]),
    ],
)
def test_kinds_by_name_and_values(columns: dict[str, str], kinds: list[str]) -> None:
    assert list(infer_kinds({name: VALUES.get(like, []) for name, like in columns.items()}, rows=2).values()) == kinds


def test_people_are_told_from_organisations() -> None:
    assert looks_like_people(["Robert Gray", "Kate Hill", "Ann Lee"])
    assert not looks_like_people(["Gray Academy", "Robert Gray School", "Hill Grill 12"])


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("missing.csv", None, SourceMissing),
        ("people.xlsx", "x", UsageError),
        ("people.parquet", "not parquet", SourceMalformed),
        ("people.csv", "given_name,surname\n", SourceMalformed),
        ("people.csv", "colour,shape\nred,round\n", UsageError),
    ],
)
def test_a_file_that_cannot_be_resolved_is_refused(
    tmp_path: Path, name: str, content: str | None, error: type[DataFlowError]
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(error, match="Resolving a file"):
        resolve_file(path)


def test_columns_that_are_not_there_and_keys_that_repeat_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("given_name,surname,id\nAnn,Gray,1\nBob,Hill,1\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no column answer"):
        resolve_file(path, truth="answer")
    with pytest.raises(UsageError, match="repeated in 1"):
        resolve_file(path, key="id")
    with pytest.raises(UsageError, match="no column vorname"):
        resolve_file(path, FileSpec(columns={"vorname": "given_name"}))


def test_a_table_too_small_to_learn_from_is_resolved_all_the_same(tmp_path: Path) -> None:
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
