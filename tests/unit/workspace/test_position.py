"""Positions: what a lake from before them had is taken over once, and each object has its own."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from duckdb import DuckDBPyConnection

from dataflow.tables.ops import POSITION, RUN
from dataflow.workspace.position import (
    ObjectName,
    adopt_former,
    move_positions,
    needed_after,
    positions_at,
    rewind_positions,
)
from dataflow.workspace.staging import Run
from lakehouse import Column, Lake
from tests.lib.lakes import local_lake

FORMER_RUN = replace(RUN, columns=(*RUN.columns, Column("raw_snapshot_id", "BIGINT", "Of all objects")))
PERSON, PURCHASE = ("shop", "person"), ("shop", "it's a purchase")
OBJECTS = [PERSON, PURCHASE]
ME = Run("run-1", "publish", datetime(2026, 3, 10, tzinfo=UTC))


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with Lake.open(local_lake(tmp_path), purpose="test", threads=1) as lake:
        yield lake


def prepare(lake: Lake) -> None:
    lake.ensure([POSITION, RUN], first_rows={POSITION: adopt_former(OBJECTS, ME)})


def former_run(lake: Lake, run_id: str, status: str, upto: int | None) -> None:
    now = "TIMESTAMPTZ '2026-03-01'"
    values = f"'{run_id}', 'daily', '{status}', {now}, {now}, {'NULL' if upto is None else upto}, '[]', ''"
    names = "run_id, kind, status, started_at, finished_at, raw_snapshot_id, steps, message"
    lake.con.execute(f"INSERT INTO lake.ops.run ({names}) VALUES ({values})")


def move(lake: Lake, positions: dict[ObjectName, int], run: Run = ME) -> None:
    def work(con: DuckDBPyConnection) -> None:
        move_positions(con, positions, run_id=run.run_id, moved_at=run.now)

    lake.transact(work, author="test", run_id=run.run_id, message="move")


def now(lake: Lake) -> dict[ObjectName, int]:
    return positions_at(lake, OBJECTS, version=lake.snapshot().id)


def test_a_new_lake_has_no_positions(lake: Lake) -> None:
    assert now(lake) == {}
    prepare(lake)
    assert now(lake) == {}
    assert needed_after(lake, OBJECTS) is None


def test_a_position_moves_and_the_others_stay(lake: Lake) -> None:
    prepare(lake)
    move(lake, {PERSON: 3, PURCHASE: 3})
    move(lake, {PERSON: 9}, replace(ME, run_id="run-2"))
    move(lake, {})
    assert now(lake) == {PERSON: 9, PURCHASE: 3}
    rows = lake.con.execute("SELECT object, run_id, moved_at FROM lake.ops.position ORDER BY object").fetchall()
    assert rows == [(PURCHASE[1], "run-1", ME.now), (PERSON[1], "run-2", ME.now)]


def test_the_oldest_position_of_a_declared_object_says_what_is_needed(lake: Lake) -> None:
    prepare(lake)
    move(lake, {PERSON: 9, PURCHASE: 7, ("shop", "no longer declared"): 1})
    assert needed_after(lake, [*OBJECTS, ("shop", "never published")]) == 7


def test_positions_go_back_whole(lake: Lake) -> None:
    prepare(lake)
    move(lake, {PERSON: 9, PURCHASE: 7})

    def work(con: DuckDBPyConnection) -> None:
        rewind_positions(con, {PERSON: 4}, run_id="restore", moved_at=ME.now)

    lake.transact(work, author="test", run_id="", message="rewind")
    assert now(lake) == {PERSON: 4}


def test_a_lake_from_before_goes_on_where_it_was(lake: Lake) -> None:
    lake.ensure([FORMER_RUN])
    for number, (status, upto) in enumerate(
        [("published", 3), ("partial", 7), ("unchanged", 5), ("landed", None), ("refused", 99)]
    ):
        former_run(lake, f"run-{number}", status, upto)
    assert now(lake) == {PERSON: 7, PURCHASE: 7}, "before the table is there"
    before = lake.snapshot().id
    prepare(lake)
    assert now(lake) == {PERSON: 7, PURCHASE: 7}
    move(lake, {PERSON: 20})
    prepare(lake)
    assert now(lake) == {PERSON: 20, PURCHASE: 7}, "taken over once"
    assert positions_at(lake, OBJECTS, version=before) == {PERSON: 7, PURCHASE: 7}
    assert "raw_snapshot_id" in {name for name, *_ in lake.con.execute("DESCRIBE lake.ops.run").fetchall()}


def test_a_lake_from_before_that_published_nothing_has_no_positions(lake: Lake) -> None:
    lake.ensure([FORMER_RUN])
    former_run(lake, "run-1", "landed", None)
    prepare(lake)
    assert now(lake) == {}
