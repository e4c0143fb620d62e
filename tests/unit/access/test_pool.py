"""Kept connections: one for each role and version, never an older one; remembered answers are those of the version."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from dataflow.access.pool import ConnectionPool, Opened, file_identity
from dataflow.access.remembering import Answers, RememberingConnection
from lakehouse.connect import connect


@pytest.fixture
def pool() -> Iterator[ConnectionPool]:
    with closing(ConnectionPool()) as made:
        yield made


@pytest.fixture
def spills() -> list[Path]:
    return []


def opening(value: int, spills: list[Path]) -> Opened:
    """What opens a connection whose table holds one value."""

    def opened(spill: Path) -> duckdb.DuckDBPyConnection:
        spills.append(spill)
        con = connect()
        con.execute("ATTACH ':memory:' AS lake")
        con.execute(f"CREATE TABLE lake.seen AS SELECT {value} AS value")
        con.execute("USE lake")
        con.execute("SET lock_configuration = true")
        return con

    return opened


def seen(pool: ConnectionPool, version: object, opened: Opened) -> int:
    with pool.lease("engineer", version, opened) as con:
        [(value,)] = con.execute("SELECT value FROM seen").fetchall()
    return int(value)


def test_a_version_is_opened_once_and_another_one_anew(pool: ConnectionPool, spills: list[Path]) -> None:
    assert [seen(pool, 1, opening(1, spills)) for _ in range(3)] == [1, 1, 1]
    assert len(spills) == 1
    assert [seen(pool, 2, opening(2, spills)) for _ in range(2)] == [2, 2]
    assert [spill.exists() for spill in spills] == [False, True]


def test_a_read_that_has_begun_ends_on_its_own_version(pool: ConnectionPool, spills: list[Path]) -> None:
    with pool.lease("engineer", 1, opening(1, spills)) as con:
        assert seen(pool, 2, opening(2, spills)) == 2
        assert con.execute("SELECT value FROM seen").fetchall() == [(1,)]
        assert spills[0].exists()
    assert not spills[0].exists()


def test_readers_that_come_together_open_one_connection(pool: ConnectionPool, spills: list[Path]) -> None:
    opened = opening(1, spills)

    def slowly(spill: Path) -> duckdb.DuckDBPyConnection:
        time.sleep(0.1)
        return opened(spill)

    found: list[int] = []
    readers = [threading.Thread(target=lambda: found.append(seen(pool, 1, slowly))) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert (found, len(spills)) == ([1] * 4, 1)


def test_what_a_reader_makes_is_gone_with_it(pool: ConnectionPool, spills: list[Path]) -> None:
    with pool.lease("engineer", 1, opening(1, spills)) as con:
        con.execute("CREATE TEMP TABLE mine AS SELECT 7 AS value")
    with pool.lease("engineer", 1, opening(1, spills)) as con, pytest.raises(duckdb.CatalogException):
        con.execute("FROM mine")


def test_an_error_of_a_reader_is_not_one_of_the_next(pool: ConnectionPool, spills: list[Path]) -> None:
    with pytest.raises(duckdb.Error), pool.lease("engineer", 1, opening(1, spills)) as con:
        con.execute("SELECT error('broken')").fetchall()
    assert seen(pool, 1, opening(1, spills)) == 1
    assert len(spills) == 1


def test_what_cannot_be_opened_leaves_nothing(pool: ConnectionPool, spills: list[Path]) -> None:
    def failing(spill: Path) -> duckdb.DuckDBPyConnection:
        spills.append(spill)
        raise ValueError

    with pytest.raises(ValueError), pool.lease("engineer", 1, failing):
        pass
    assert not spills[0].exists()
    assert seen(pool, 1, opening(1, spills)) == 1


def test_unused_connections_are_closed(pool: ConnectionPool, spills: list[Path]) -> None:
    seen(pool, 1, opening(1, spills))
    pool.sweep(now=time.monotonic() + 100)
    assert spills[0].exists()
    pool.sweep(now=time.monotonic() + 1_000)
    assert not spills[0].exists()
    seen(pool, 1, opening(1, spills))
    pool.close()
    assert not any(spill.exists() for spill in spills)


def test_a_replaced_file_has_another_identity(tmp_path: Path) -> None:
    file, other = tmp_path / "a", tmp_path / "b"
    assert file_identity(file) is None
    file.write_bytes(b"x")
    other.write_bytes(b"x")
    before = file_identity(file)
    other.replace(file)
    assert before not in (None, file_identity(file))


def test_what_is_prepared_is_built_once_for_a_version(pool: ConnectionPool, spills: list[Path]) -> None:
    built: list[int] = []

    def build(con: duckdb.DuckDBPyConnection) -> None:
        built.append(1)
        con.execute("CREATE TABLE memory.main.twice AS SELECT value * 2 AS value FROM lake.seen")

    def prepared(version: int) -> int:
        with pool.lease("engineer", version, opening(version, spills)) as con:
            assert isinstance(con, RememberingConnection)
            [(value,)] = con.prepared("twice", build).execute("SELECT value FROM memory.main.twice").fetchall()
        return int(value)

    assert [prepared(version) for version in (1, 1, 2)] == [2, 2, 4]
    assert len(built) == 2


class TestRemembering:
    @pytest.fixture
    def con(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with connect() as con:
            con.execute("CREATE TABLE t AS SELECT 1 AS value")
            yield con

    @pytest.fixture
    def answers(self) -> Answers:
        return Answers()

    def asked(self, con: duckdb.DuckDBPyConnection, answers: Answers) -> RememberingConnection:
        return RememberingConnection(con, answers)

    def test_an_answer_is_read_once(self, con: duckdb.DuckDBPyConnection, answers: Answers) -> None:
        first = self.asked(con, answers).execute("SELECT value FROM t WHERE value < ?", [9]).fetchall()
        con.execute("UPDATE t SET value = 2")  # which no published version does
        again = self.asked(con, answers).execute("SELECT value FROM t WHERE value < ?", [9])
        assert [column[0] for column in again.description] == ["value"]
        assert (first, again.fetchall()) == ([(1,)], [(1,)])
        assert self.asked(con, answers).execute("SELECT value FROM t WHERE value < ?", [8]).fetchall() == [(2,)]

    @pytest.mark.parametrize(
        "change",
        [
            lambda one: one.execute("CREATE TEMP TABLE mine AS SELECT 1"),
            lambda one: one.register("mine", duckdb.sql("SELECT 1").to_arrow_table()),
            lambda one: one.sql("CREATE TEMP TABLE mine AS SELECT 1"),
        ],
    )
    def test_a_connection_with_tables_of_its_own_asks_anew(
        self, con: duckdb.DuckDBPyConnection, answers: Answers, change: Callable[[RememberingConnection], object]
    ) -> None:
        self.asked(con, answers).execute("SELECT value FROM t").fetchall()
        con.execute("UPDATE t SET value = 2")
        changed = self.asked(con, answers)
        change(changed)
        assert changed.execute("SELECT value FROM t").fetchall() == [(2,)]
        assert self.asked(con, answers).execute("SELECT value FROM t").fetchall() == [(1,)]

    def test_the_clock_and_chance_are_asked_each_time(self, con: duckdb.DuckDBPyConnection, answers: Answers) -> None:
        for sql in ("SELECT random()", "SELECT now()", "SELECT value, current_timestamp FROM t"):
            one, other = (self.asked(con, answers).execute(sql).fetchall() for _ in range(2))
            assert one != other

    def test_another_way_of_reading_asks_anew(self, con: duckdb.DuckDBPyConnection, answers: Answers) -> None:
        self.asked(con, answers).execute("SELECT value FROM t").fetchall()
        for read in ("fetchmany", "to_arrow_table", "fetchnumpy"):
            again = self.asked(con, answers).execute("SELECT value FROM t")
            assert len(getattr(again, read)()) == 1
        assert self.asked(con, answers).execute("SELECT value FROM t").fetchone() == (1,)
        assert self.asked(con, answers).execute("SELECT value FROM t WHERE value > 1").fetchone() is None

    def test_a_large_answer_is_not_kept(self, con: duckdb.DuckDBPyConnection, answers: Answers) -> None:
        sql = "SELECT value, r FROM t, range(3000) x(r)"
        assert len(self.asked(con, answers).execute(sql).fetchall()) == 3_000
        con.execute("UPDATE t SET value = 2")
        assert self.asked(con, answers).execute(sql).fetchall()[0][0] == 2
