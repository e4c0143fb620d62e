"""Labelled pairs: how they are read, that they outrank the model, and that it learns from them."""

from __future__ import annotations

import csv
import random
from itertools import combinations
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.errors import UsageError
from dataflow.resolve.own_file.resolve_file import FileResolution, resolve_file
from tests.lib.hard_cases import CITIES, Maker, Record, write_table

Rows = list[tuple[str, str, Record]]


def namesakes(count: int) -> Rows:
    """People of few names, told apart by their town; each gave two lists another telephone.

    Nothing in the table says that the town is to be believed and the telephone is not.
    """
    maker = Maker(random.Random(3))
    names = [maker.only(maker.person()) for _ in range(count // 4)]
    people = maker.chance.sample([name | {"city": city} for name in names for city in CITIES], count)
    return [
        ("person", f"p{number}", person | {"phone": maker.phone()})
        for number, person in enumerate(people)
        for _ in range(2)
    ]


@pytest.fixture(scope="module")
def rows() -> Rows:
    return namesakes(120)


def labels_of(path: Path, pairs: list[tuple[object, object, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([("left", "right", "verdict"), *pairs])
    return path


def resolved(rows: Rows, folder: Path, labels: Path | None = None) -> tuple[FileResolution, list[str]]:
    table = write_table(folder / "table.csv", rows, headings="plain")
    out = folder / "out.csv"
    told = resolve_file(table, truth="truth", ignore=["row"], labels=labels, out=out)
    with out.open(encoding="utf-8") as file:
        return told, [row["cluster_id"] for row in csv.DictReader(file)]


def test_the_model_learns(rows: Rows, tmp_path: Path) -> None:
    before, _ = resolved(rows, tmp_path)
    chance = random.Random(5)
    same = [(2 * n + 1, 2 * n + 2, "same") for n in chance.sample(range(60), 40)]
    apart = [
        (left + 1, right + 1, "different")
        for left, right in combinations(range(len(rows)), 2)
        if rows[left][1] != rows[right][1] and rows[left][2]["given"] == rows[right][2]["given"]
    ]
    labels = labels_of(tmp_path / "labels.csv", [*same, *chance.sample(apart, 40)])
    after, _ = resolved(rows, tmp_path, labels)
    assert before.evaluation is not None
    assert after.evaluation is not None
    assert after.labels == 80
    assert before.evaluation.pairwise_f1 < 0.5
    # forty of the pairs are given; the model learns the others
    assert after.evaluation.pairwise_f1 > 0.95
    again, _ = resolved(rows, tmp_path, labels)
    assert again.evaluation == after.evaluation


def test_a_label_outranks_the_model(rows: Rows, tmp_path: Path) -> None:
    labels = labels_of(tmp_path / "labels.csv", [(1, 2, "different"), (1, 4, "same")])
    told, clusters = resolved(rows, tmp_path, labels)
    assert told.labels == 2
    assert clusters[0] == clusters[3] != clusters[1]


@pytest.mark.parametrize(
    ("labels", "used"),
    [
        ([(1, 2, "yes"), (3, 4, "no")], 2),
        ([(1, 2, "1"), (3, 4, "0")], 2),
        ([("1", " 2 ", "MATCH"), ("3", "4", "Distinct")], 2),
        # judged both ways, directly or through other pairs
        ([(1, 2, "same"), (2, 1, "different"), (5, 6, "same")], 1),
        ([(1, 2, "same"), (2, 3, "same"), (1, 3, "different"), (5, 6, "different")], 1),
        # a row against itself, and rows that are not there
        ([(1, 1, "same"), (1, 900, "same"), (5, 6, "1")], 1),
    ],
)
def test_which_labels_are_used(rows: Rows, tmp_path: Path, labels: list[tuple[object, object, str]], used: int) -> None:
    told, _ = resolved(rows, tmp_path, labels_of(tmp_path / "labels.csv", labels))
    assert told.labels == used


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([(1, 2, "perhaps")], "no column holds same or different"),
        ([(901, 902, "same")], "no line of"),
    ],
)
def test_labels_that_cannot_be_read(
    rows: Rows, tmp_path: Path, labels: list[tuple[object, object, str]], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        resolved(rows, tmp_path, labels_of(tmp_path / "labels.csv", labels))


def test_labels_in_parquet(rows: Rows, tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"verdict": [True, False], "a": [1, 3], "b": [2, 4]}), path)
    told, _ = resolved(rows, tmp_path, path)
    assert told.labels == 2
