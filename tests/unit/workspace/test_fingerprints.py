"""Fingerprints of tables: an older lake has them under the table's former name."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow.tables.ops import FINGERPRINT
from dataflow.workspace.fingerprints import adopt_former_fingerprints
from lakehouse import Lake
from tests.lib.lakes import local_lake

FORMER = replace(FINGERPRINT, name="recipe")


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with Lake.open(local_lake(tmp_path), purpose="test", threads=1) as lake:
        yield lake


def prepare(lake: Lake) -> None:
    lake.ensure([FINGERPRINT], first_rows={FINGERPRINT: adopt_former_fingerprints})


def rows(lake: Lake) -> list[tuple[object, ...]]:
    return lake.con.execute("FROM lake.ops.fingerprint ORDER BY ALL").fetchall()


def test_a_new_lake_has_none(lake: Lake) -> None:
    prepare(lake)
    assert rows(lake) == []


def test_an_older_lake_keeps_its_own_in_one_commit(lake: Lake) -> None:
    lake.ensure([FORMER])
    lake.con.execute("INSERT INTO lake.ops.recipe VALUES ('valid.shop_person', 'f', 'run-1')")
    before = lake.snapshot().id
    prepare(lake)
    assert rows(lake) == [("valid.shop_person", "f", "run-1")]
    assert lake.tables(lake.snapshot().id) == ["ops.fingerprint"]
    assert lake.snapshot().id == before + 1


def test_nothing_is_taken_over_twice(lake: Lake) -> None:
    lake.ensure([FORMER])
    lake.con.execute("INSERT INTO lake.ops.recipe VALUES ('valid.shop_person', 'f', 'run-1')")
    prepare(lake)
    after = lake.snapshot().id
    prepare(lake)
    assert lake.snapshot().id == after
