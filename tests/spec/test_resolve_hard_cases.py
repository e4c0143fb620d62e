"""Tables of hard cases under headings in several languages: what one automatic configuration makes of them."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from dataflow.resolve.own_file.resolve_file import FileResolution, resolve_file
from tests.lib.hard_cases import COMPANIES, PEOPLE, Case, Record, hard_cases, write_table

EACH = 5
# a trader and the firm of his name share a telephone and a town: for review, and not for us to decide
LEFT_FOR_REVIEW = {"sole_trader"}


def wrong_pairs(found: dict[int, str], rows: list[tuple[str, str, Record]]) -> Counter[str]:
    """Pairs within one instance of a case that are together and should not be, or the other way round, by kind."""
    instances: dict[str, list[int]] = {}
    for number, (_, entity, _) in enumerate(rows):
        instances.setdefault(" ".join(entity.split()[:2]), []).append(number)
    wrong: Counter[str] = Counter()
    for members in instances.values():
        for left, right in combinations(members, 2):
            same = rows[left][1] == rows[right][1]
            wrong[rows[left][0]] += same is not (found[left] == found[right])
    return wrong


def wrong_in_all(found: dict[int, str], rows: list[tuple[str, str, Record]]) -> int:
    return sum(
        (rows[left][1] == rows[right][1]) is not (found[left] == found[right])
        for left, right in combinations(range(len(rows)), 2)
    )


@pytest.mark.parametrize(
    ("cases", "headings", "delimiter"),
    [
        (PEOPLE, "german", ";"),
        (PEOPLE, "one line", ","),
        (COMPANIES, "camel", ","),
        (COMPANIES, "one line", ","),
    ],
    ids=["people, german", "people, one line", "companies, camel", "companies, one line"],
)
def test_hard_cases(tmp_path: Path, cases: tuple[Case, ...], headings: str, delimiter: str) -> None:
    rows = hard_cases(11, cases, each=EACH, background=250)
    table = write_table(tmp_path / "table.csv", rows, headings=headings, delimiter=delimiter)
    told, found = resolved(table, tmp_path / "found.csv")
    assert told.evaluation is not None
    assert told.evaluation.pairwise_f1 > 0.96
    assert sum(cause.pairs for cause in told.causes) == wrong_in_all(found, rows)
    wrong = wrong_pairs(found, rows)
    assert {kind for kind, count in wrong.items() if count} <= {"background", *LEFT_FOR_REVIEW}
    assert wrong["background"] <= 5


def test_people_and_companies_under_one_heading_are_told_apart(tmp_path: Path) -> None:
    people, companies = (hard_cases(11, cases, each=2, background=250) for cases in (PEOPLE, COMPANIES))
    # the backgrounds of both are numbered from nought
    rows = [*people, *((kind, f"company {entity}", record) for kind, entity, record in companies)]
    table = write_table(tmp_path / "table.csv", rows, headings="party")
    told, found = resolved(table, tmp_path / "found.csv")
    assert told.evaluation is not None
    assert told.evaluation.pairwise_f1 > 0.95
    assert {found[row] for row in range(len(people))}.isdisjoint(found[row] for row in range(len(people), len(rows)))


def resolved(table: Path, out: Path) -> tuple[FileResolution, dict[int, str]]:
    told = resolve_file(table, key="row", truth="truth", out=out)
    with out.open(encoding="utf-8") as file:
        return told, {int(row["record_key"]): row["cluster_id"] for row in csv.DictReader(file)}
