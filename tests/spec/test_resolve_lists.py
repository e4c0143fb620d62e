"""Lists of people as help desks and census takers keep them: what one automatic configuration makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataflow.resolve.own_file.resolve_file import resolve_file
from tests.lib.listed_people import Row, census, tickets, write_list

LISTS = {
    "a census": (census(1, households=120), 0.99, 0.95),
    "a small census": (census(2, households=12), 0.99, 0.90),
    "tickets": (tickets(1, people=150), 0.97, 0.97),
    "a few tickets": (tickets(2, people=30), 0.99, 0.97),
}
"""Rows, and the least precision and recall."""


@pytest.mark.parametrize(("rows", "precision", "recall"), [*LISTS.values()], ids=[*LISTS])
def test_a_list(tmp_path: Path, rows: list[Row], precision: float, recall: float) -> None:
    found = resolve_file(write_list(tmp_path / "list.csv", rows), key="row", truth="truth").evaluation
    assert found is not None
    assert found.pairwise_precision >= precision
    assert found.pairwise_recall >= recall
