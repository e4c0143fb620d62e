"""Evaluation from contingency counts against counting pair by pair and record by record."""

from __future__ import annotations

from itertools import combinations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.resolve.own_file.evaluate import evaluate

partitions = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=14)


def dull_pairwise(predicted: list[int], truth: list[int]) -> tuple[float, float]:
    pairs = list(combinations(range(len(truth)), 2))
    claimed = [p for p in pairs if predicted[p[0]] == predicted[p[1]]]
    real = [p for p in pairs if truth[p[0]] == truth[p[1]]]
    right = len(set(claimed) & set(real))
    return right / len(claimed) if claimed else 1.0, right / len(real) if real else 1.0


def dull_b3(predicted: list[int], truth: list[int]) -> tuple[float, float]:
    precisions, recalls = [], []
    for i in range(len(truth)):
        together = {j for j in range(len(truth)) if predicted[j] == predicted[i]}
        belonging = {j for j in range(len(truth)) if truth[j] == truth[i]}
        precisions.append(len(together & belonging) / len(together))
        recalls.append(len(together & belonging) / len(belonging))
    return sum(precisions) / len(precisions), sum(recalls) / len(recalls)


def stored(con: duckdb.DuckDBPyConnection, name: str, clusters: list[int]) -> None:
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name} (record_id VARCHAR, cluster INTEGER)")
    con.executemany(f"INSERT INTO {name} VALUES (?, ?)", [[f"r{i:02}", c] for i, c in enumerate(clusters)])


@given(partitions)
def test_figures_are_those_of_counting_one_by_one(both: list[tuple[int, int]]) -> None:
    predicted, truth = [p for p, _ in both], [t for _, t in both]
    with duckdb.connect() as con:
        stored(con, "predicted", predicted)
        stored(con, "truth", truth)
        found = evaluate(con, "FROM predicted", "FROM truth")
    assert (found.pairwise_precision, found.pairwise_recall) == pytest.approx(dull_pairwise(predicted, truth))
    assert (found.b3_precision, found.b3_recall) == pytest.approx(dull_b3(predicted, truth))
    assert found.records == len(truth)
