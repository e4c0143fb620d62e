"""Lakes for tests: two tables whose contents vouch for each other, and the work of processes on them."""

from __future__ import annotations

import os
import random
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from lakehouse import Column, Lake, LakeLocation, LakeView, Snapshot, Table, clean_up, compact, expire, open_reader

EVENT = Table(
    schema="raw",
    name="event",
    grain="event",
    key=("worker", "number"),
    owner="tests",
    append_only=True,
    columns=(
        Column("worker", "VARCHAR", "Who wrote it", nullable=False),
        Column("number", "BIGINT", "Commit of that worker", nullable=False),
        Column("line", "BIGINT", "Line within the commit", nullable=False),
        Column("body", "VARCHAR", "Something to store"),
    ),
)
TALLY = Table(
    schema="published",
    name="tally",
    grain="worker",
    key=("worker",),
    owner="tests",
    columns=(
        Column("worker", "VARCHAR", "Who counts; 'all' is shared by everybody", nullable=False),
        Column("commits", "BIGINT", "Commits so far", nullable=False),
    ),
)
TABLES = (EVENT, TALLY)
LINES = 20

# A fork of a process with DuckDB's threads in it is undefined; the fork server has only imported it.
processes: ForkServerContext = get_context("forkserver")
processes.set_forkserver_preload(["lakehouse", "tests.lib.lakes"])


def local_lake(folder: Path) -> LakeLocation:
    """A lake of a DuckDB file and a folder."""
    return LakeLocation(catalogue=folder / "lake.ducklake", data=folder / "data", published=folder / "published")


@contextmanager
def opened(location: LakeLocation, *, alone: bool = False, wait_seconds: float = 60) -> Iterator[Lake]:
    """Open the lake as tests want it: few threads, patient, with the test tables in it."""
    with Lake.open(location, purpose="test", alone=alone, wait_seconds=wait_seconds, threads=1) as lake:
        lake.ensure(TABLES)
        yield lake


def commit(lake: Lake, worker: str, number: int) -> Snapshot:
    """One commit: lines appended, the worker's tally inserted or raised, the shared tally raised."""

    def work(con: DuckDBPyConnection) -> None:
        con.execute(
            f"INSERT INTO lake.raw.event SELECT '{worker}', {number}, range, '{worker}-{number}-' || range"
            f" FROM range({LINES})"
        )
        con.execute(
            f"MERGE INTO lake.published.tally t USING (SELECT unnest(['{worker}', 'all']) AS worker, 1 AS commits) s"
            " ON t.worker = s.worker WHEN MATCHED THEN UPDATE SET commits = t.commits + 1"
            " WHEN NOT MATCHED THEN INSERT BY NAME"
        )

    return lake.transact(work, author=worker, run_id=f"{worker}/{number}", message="append", attempts=40)[1]


def committed(con: DuckDBPyConnection) -> dict[str, int]:
    """The tally, after checking in one statement that events and tally tell the same story."""
    rows = con.execute(
        """
        WITH e AS (
            SELECT worker, count(DISTINCT number) AS commits, count(*) AS lines,
                   count(DISTINCT (number, line)) AS distinct_lines
            FROM lake.raw.event GROUP BY worker)
        SELECT worker, t.commits, coalesce(e.commits, 0), coalesce(e.lines, 0), coalesce(e.distinct_lines, 0),
               (SELECT count(DISTINCT (worker, number)) FROM lake.raw.event)
        FROM lake.published.tally t LEFT JOIN e USING (worker)
        """
    ).fetchall()
    assert len({row[0] for row in rows}) == len(rows), "a worker has two tallies"
    tally: dict[str, int] = {}
    for worker, commits, of_events, lines, distinct_lines, everything in rows:
        tally[worker] = commits
        if worker == "all":
            assert commits == everything, "the shared tally lost or doubled a commit"
        else:
            assert commits == of_events, "a worker's tally and its events differ"
            assert lines == distinct_lines == commits * LINES, "a commit landed in part or twice"
    return tally


def read(location: LakeLocation, at: int | None = None) -> dict[str, int]:
    """Open a reader, check, close."""
    with open_reader(location, at=at, threads=1) as con:
        return committed(con)


def content(con: DuckDBPyConnection, table: Table, at: int | None = None) -> list[tuple[Any, ...]]:
    """All rows of a table, in order."""
    version = "" if at is None else f" AT (VERSION => {at})"
    return con.execute(f"FROM lake.{table.sql_name}{version} ORDER BY ALL").fetchall()


# What processes do. They report through a queue, so that a failure is seen where the test is.


def append(location: LakeLocation, worker: str, openings: int, commits: int) -> None:
    """Commit `openings` × `commits` times, letting others in between."""
    for opening in range(openings):
        with opened(location) as lake:
            for number in range(commits):
                commit(lake, worker, opening * commits + number)


def append_until_killed(location: LakeLocation, worker: str, started: Event) -> None:
    """Commit for ever, numbers going on from what the lake holds."""
    with opened(location) as lake:
        row = lake.con.execute(f"SELECT max(number) FROM lake.raw.event WHERE worker = '{worker}'").fetchone()
        number = -1 if row is None or row[0] is None else row[0]
        started.set()
        while True:
            number += 1
            commit(lake, worker, number)


def maintain_until_killed(location: LakeLocation, worker: str, started: Event) -> None:
    """Commit and maintain for ever."""
    with opened(location, alone=True) as lake:
        row = lake.con.execute(f"SELECT max(number) FROM lake.raw.event WHERE worker = '{worker}'").fetchone()
        number = -1 if row is None or row[0] is None else row[0]
        started.set()
        while True:
            number += 1
            commit(lake, worker, number)
            upkeep(lake)


def upkeep(lake: Lake) -> None:
    """Compact, expire all but the last few snapshots, clean up."""
    compact(lake)
    expire(lake, older_than=lake.snapshots()[-3:][0].at)
    clean_up(lake)


def read_until(location: LakeLocation, stop: Event, told: Queue[int | str]) -> None:
    """Read in a loop, a new connection every time and one kept for long; tell how often, or what failed."""
    seen, reads = 0, 0
    try:
        with open_reader(location, threads=1) as kept:
            while not stop.is_set() or reads < 2:
                now = read(location).get("all", 0)
                assert now >= seen, "a reader went back in time"
                seen = now
                committed(kept)
                LakeView(kept, location).snapshot()
                reads += 1
    except Exception as error:  # noqa: BLE001 - whatever it is, the test shall show it
        told.put(f"{type(error).__name__}: {error}")
    else:
        told.put(reads)


def open_with_little_space(location: LakeLocation, told: Queue[int | str]) -> None:
    """Commit more than a file may hold: what a full disk looks like to a process."""
    with opened(location) as lake:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        told.put(_failure(lambda: commit_much(lake)))


def open_as_nobody(location: LakeLocation, told: Queue[int | str]) -> None:
    """Open a lake in a folder of somebody else."""
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    told.put(_failure(lambda: Lake.open(location, purpose="test").close()))


def commit_much(lake: Lake) -> None:
    """A commit of some megabytes."""
    lake.transact(
        lambda con: con.execute(
            "INSERT INTO lake.raw.event SELECT 'much', 0, range, md5(range::VARCHAR) FROM range(200000)"
        ),
        author="much",
        run_id="much",
        message="append",
    )


def _failure(work: Any) -> str:
    try:
        work()
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"
    return "nothing failed"


@contextmanager
def running(target: Any, *arguments: Any) -> Iterator[ForkServerProcess]:
    """A process that is gone after the block."""
    process = processes.Process(target=target, args=arguments, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def kill_at_random(location: LakeLocation, target: Any, *, worker: str, chance: random.Random) -> None:
    """Start a process that works until it is killed, and kill it at a random time of its work."""
    started = processes.Event()
    with running(target, location, worker, started) as process:
        assert started.wait(60), f"the worker did not start: exit code {process.exitcode}"
        time.sleep(chance.uniform(0.0, 0.35))
        assert process.is_alive(), "the worker failed by itself"
