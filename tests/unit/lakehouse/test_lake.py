"""One transaction API: everything or nothing, with author, run and message."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from lakehouse import Column, Lake, LakeConflict, LakeDamaged, LakeIncompatible, LakeLocation, Snapshot, open_reader
from lakehouse.transaction import commit as commit_whole
from tests.lib.lakes import (
    EVENT,
    TABLES,
    TALLY,
    append_until_killed,
    commit,
    committed,
    content,
    opened,
    processes,
    read,
    running,
)


def test_a_commit_tells_who_made_it_and_what_it_changed(location: LakeLocation) -> None:
    with opened(location) as lake:
        result, snapshot = lake.transact(
            lambda con: con.execute("INSERT INTO lake.raw.event VALUES ('w', 1, 1, 'it''s')").fetchone(),
            author="o'hara",
            run_id='run-"1"',
            message="it's new",
        )
        assert result == (1,)
        assert (snapshot.author, snapshot.run_id, snapshot.message) == ("o'hara", 'run-"1"', "it's new")
        assert snapshot.changes == {"inserted_into": ("raw.event",)}
        assert snapshot == lake.snapshot() == lake.snapshot_at(snapshot.id)


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt(), duckdb.ConversionException("no")])
def test_any_exception_rolls_everything_back(location: LakeLocation, error: BaseException) -> None:
    def work(con: DuckDBPyConnection) -> None:
        con.execute("INSERT INTO lake.raw.event VALUES ('w', 1, 1, 'x')")
        con.execute("CREATE TABLE lake.raw.other (i INTEGER)")
        raise error

    with opened(location) as lake:
        before = lake.snapshot()
        with pytest.raises(type(error)):
            lake.transact(work, author="", run_id="", message="")
        assert lake.snapshot() == before
        assert content(lake.con, EVENT) == []
        commit(lake, "w", 0)
    assert read(location) == {"w": 1, "all": 1}


def test_a_transaction_that_changes_nothing_makes_no_snapshot(location: LakeLocation) -> None:
    with opened(location) as lake:
        before = lake.snapshot()
        _, after = lake.transact(lambda _: None, author="a", run_id="r", message="m")
        assert after == before


def test_a_lost_race_is_run_again_whole_and_given_up_at_last(location: LakeLocation) -> None:
    tries = []

    def lose(con: DuckDBPyConnection) -> None:
        tries.append(1)
        raise LakeConflict("another won")

    with opened(location) as lake, pytest.raises(LakeConflict, match="each of 3 attempts"):
        commit_whole(lake.con, lose, location=location, author="", run_id="", message="", attempts=3)
    assert len(tries) == 3


def test_ensure_creates_what_is_missing_and_nothing_else(location: LakeLocation) -> None:
    with opened(location) as lake:
        before = lake.snapshot()
        lake.ensure(TABLES)
        assert lake.snapshot() == before
        commit(lake, "w", 0)
        wider = replace(
            TALLY,
            columns=(
                TALLY.columns[0],
                Column("commits", "HUGEINT", ""),
                Column("since", "TIMESTAMPTZ", "", nullable=False),
            ),
        )
        partitioned = replace(EVENT, schema="other", name="by worker", partition_by=("worker",))
        lake.ensure([wider, partitioned])
        assert lake.snapshot().message == "create tables"
        assert content(lake.con, TALLY) == [("all", 1, None), ("w", 1, None)]
        assert "other.by worker" in lake.tables()
        assert "other.by worker" not in lake.tables(before.id)
        lake.con.execute(f"INSERT INTO lake.{partitioned.sql_name} FROM lake.raw.event")
        after = lake.snapshot()
        lake.ensure([wider, partitioned])
        assert lake.snapshot() == after
    assert list(location.data.rglob("worker=w/*.parquet"))  # type: ignore[union-attr]


def test_a_sorted_table_is_written_in_the_order_of_its_key_and_so_is_what_is_restored(location: LakeLocation) -> None:
    def add(lake: Lake, worker: str) -> Snapshot:
        rows = f"SELECT '{worker}', hash(i) % 100000, 1, 'x' FROM range(99) r(i)"
        insert = f"INSERT INTO lake.{kept.sql_name} {rows}"
        return lake.transact(lambda con: con.execute(insert), author="", run_id="", message=worker)[1]

    def newest_file() -> list[tuple[str, int]]:
        assert isinstance(location.data, Path)
        file = max(location.data.rglob("in_order/*.parquet"), key=lambda path: path.stat().st_mtime_ns)
        return duckdb.execute("SELECT worker, number FROM read_parquet(?)", [str(file)]).fetchall()

    kept = replace(EVENT, schema="other", name="in_order", key=("worker", "number"), is_sorted=True)
    with opened(location) as lake:
        lake.ensure([kept])
        first = add(lake, "w")
        assert len(newest_file()) == 99
        assert newest_file() == sorted(newest_file())
        lake.transact(lambda con: con.execute(f"DELETE FROM lake.{kept.sql_name}"), author="", run_id="", message="")
        lake.restore(first.id, author="", run_id="", keep_schemas=())
        add(lake, "u")
        assert newest_file() == sorted(newest_file())
        assert {worker for worker, _ in newest_file()} == {"u"}


def test_a_narrower_type_is_refused(location: LakeLocation) -> None:
    narrower = replace(TALLY, columns=(TALLY.columns[0], Column("commits", "SMALLINT", "")))
    with opened(location) as lake, pytest.raises(LakeIncompatible, match="SMALLINT"):
        lake.ensure([narrower])


def test_a_killed_process_leaves_the_published_copy_to_the_next(location: LakeLocation) -> None:
    with opened(location) as lake:
        commit(lake, "w", 0)
        older = location.published_catalogue.read_bytes()
        commit(lake, "w", 1)
    location.published_catalogue.write_bytes(older)  # as if killed between commit and publication
    assert read(location)["w"] == 1
    with opened(location) as lake:
        assert lake.was_behind
        assert read(location)["w"] == 2
    with opened(location) as lake:
        assert not lake.was_behind


def test_inlining_is_off_even_if_the_creator_was_killed(location: LakeLocation) -> None:
    option = "SELECT value FROM ducklake_options('lake') WHERE option_name = 'data_inlining_row_limit'"
    with opened(location) as lake:
        assert lake.con.execute(option).fetchone() == ("0",)
        lake.con.execute("CALL lake.set_option('data_inlining_row_limit', 10)")
    with opened(location) as lake:
        assert lake.con.execute(option).fetchone() == ("0",)
        commit(lake, "w", 0)
    assert any(location.data.rglob("*.parquet"))  # type: ignore[union-attr]


def test_a_cursor_reads_beside_an_open_transaction(location: LakeLocation) -> None:
    with opened(location) as lake:
        commit(lake, "w", 0)
        lake.transact(
            lambda con: (
                con.execute("DELETE FROM lake.raw.event"),
                content(lake.cursor(), EVENT) != [] or pytest.fail("the cursor saw an uncommitted delete"),
            ),
            author="",
            run_id="",
            message="",
        )


def test_a_lake_may_be_moved(location: LakeLocation) -> None:
    with opened(location) as lake:
        commit(lake, "w", 0)
    assert isinstance(location.catalogue, type(location.published))
    new = location.catalogue.parent.with_name("moved")
    location.catalogue.parent.rename(new)
    moved = LakeLocation(catalogue=new / "lake.ducklake", data=new / "data", published=new / "published")
    assert read(moved) == {"w": 1, "all": 1}
    with opened(moved) as lake:
        commit(lake, "w", 1)
    assert read(moved) == {"w": 2, "all": 2}


def test_the_lock_is_given_back_when_opening_fails(location: LakeLocation) -> None:
    damaged = location.catalogue
    assert isinstance(damaged, type(location.published))
    whole = damaged.read_bytes()
    damaged.write_bytes(b"not a database")
    for _ in range(2):
        with pytest.raises(LakeDamaged):
            Lake.open(location, purpose="test")
    damaged.write_bytes(whole)
    with opened(location, wait_seconds=0) as lake:
        committed(lake.con)


def test_many_publications_leave_one_copy(location: LakeLocation) -> None:
    started = processes.Event()
    for _ in range(2):
        with running(append_until_killed, location, "victim", started):
            assert started.wait(60)
    with opened(location) as lake:
        for number in range(3):
            commit(lake, "w", number)
            with open_reader(location):
                commit(lake, "w", number + 10)
    assert [path.name for path in location.published.iterdir()] == ["catalogue.ducklake"]
