"""Whatever writers do while windows are planned, read, landed and cut off: raw has each version once, and all.

The twin is dull: it asks the table, at each landing that ended well, which rows stood there, and keeps the set. A
version that came and went between two landings nobody could see; every other one must be in raw, once.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymysql
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from dataflow.errors import SourceUnavailable
from dataflow.land import commit_windows, fetch_window, plan_windows
from dataflow.land.keys import delete_missing
from dataflow.sources import PlannedWindow
from dataflow.workspace.staging import Run
from tests.lib.deliveries import opened
from tests.lib.servers.mariadb import MariaServer
from tests.lib.shops import ITEM_TABLE, company_with, shop

KEYS = st.integers(1, 12)
# Rows are stamped up to so long before they can be seen; the look-back is a little more.
LATE = st.sampled_from([0.0, 0.0, 1.0, 30.0, 250.0])
LOOKBACK_SECONDS = 300.0


class Histories(RuleBasedStateMachine):
    """One table, its writers, a reader that may be cut off, and a lake."""

    server: MariaServer

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.database = self.server.create_database()
        self.server.execute(ITEM_TABLE, database=self.database)
        self.source = shop(self.server, self.database, lookback_seconds=LOOKBACK_SECONDS, chunk_rows=3)
        self.settings = company_with(self.home, self.source)
        self.writer = self.server.connect(self.database)
        self.open: list[pymysql.connections.Connection[Any]] = []
        self.prices = itertools.count(1)
        self.runs = itertools.count(1)
        self.stamp = datetime.now(UTC)
        self.stamps: dict[int, str] = {}
        self.seen: set[tuple[str, str]] = set()
        self.lake_context = opened(self.settings)
        self.lake = self.lake_context.__enter__()

    def _write(self, con: pymysql.connections.Connection[Any], statement: str) -> None:
        with con.cursor() as cursor:
            cursor.execute(statement)

    def _stamped(self, late: float, *, is_same: bool) -> str:
        if not is_same:
            self.stamp = datetime.now(UTC)
        return f"{self.stamp - timedelta(seconds=late):%Y-%m-%d %H:%M:%S.%f}"

    @rule(keys=st.sets(KEYS, min_size=1, max_size=4), late=LATE, is_same=st.booleans(), is_gone=st.booleans())
    def write(self, keys: set[int], late: float, is_same: bool, is_gone: bool) -> None:
        """Insert or update, some with the stamp of an earlier write, some marked as deleted.

        A row's own stamp never goes back: who writes it holds its lock until the commit.
        """
        at = max([self._stamped(late, is_same=is_same), *(self.stamps.get(key, "") for key in keys)])
        self.stamps |= dict.fromkeys(keys, at)
        gone = f"'{at}'" if is_gone else "NULL"
        rows = ", ".join(f"({key}, {next(self.prices)}, '{at}', {gone})" for key in sorted(keys))
        self._write(self.writer, f"REPLACE INTO item VALUES {rows}")

    @rule(key=st.integers(101, 105), late=LATE)
    def begin_slowly(self, key: int, late: float) -> None:
        """Write in a transaction that stays open: its stamp is older than the moment it is seen."""
        if len(self.open) < 3:
            con = self.server.connect(self.database)
            con.begin()
            at = self._stamped(late, is_same=False)
            held = key + 100 * next(self.prices)
            self._write(con, f"INSERT INTO item VALUES ({held}, {next(self.prices)}, '{at}', NULL)")
            self.open.append(con)

    @rule()
    def commit_late(self) -> None:
        if self.open:
            con = self.open.pop(0)
            con.commit()
            con.close()

    @rule(key=KEYS)
    def delete(self, key: int) -> None:
        """A hard delete leaves no trace in the table."""
        self._write(self.writer, f"DELETE FROM item WHERE id = {key}")

    @rule(is_cut=st.booleans(), dies=st.sampled_from([False, False, True]))
    def ingest(self, is_cut: bool, dies: bool) -> None:
        """One run: its reader may be cut off inside a window, and it may die with windows staged."""
        run = Run(f"run-{next(self.runs)}", "ingest", datetime.now(UTC))
        expected = self._rows()
        windows = plan_windows(self.lake, self.settings)
        if is_cut and windows:
            self._cut_off(windows[len(windows) // 2], run)
        fetched = [fetch_window(planned, self.settings, run) for planned in windows]
        if not dies:
            commit_windows(self.lake, fetched, run)
            self.seen |= expected

    def _cut_off(self, planned: PlannedWindow, run: Run) -> None:
        """The server closes the reader's connection while it waits for rows: the error says that it may heal."""
        if self.open:
            return  # a transaction of a writer would hold the lock back
        self._write(self.writer, "LOCK TABLES item WRITE")
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(fetch_window, planned, self.settings, run)
            try:
                while not (waiting := self._waiting()) and not reading.done():
                    time.sleep(0.01)
                self.server.execute(*[f"KILL {number}" for number in waiting])
                error = reading.exception(timeout=30)
            finally:
                self._write(self.writer, "UNLOCK TABLES")
        assert isinstance(error, SourceUnavailable)
        assert error.retryable

    def _waiting(self) -> list[int]:
        found = self.server.execute(
            "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'reader' AND INFO LIKE '%FROM `item` WHERE%'"
            f" AND DB = '{self.database}'"
        )
        return [number for (number,) in found]

    def _rows(self) -> set[tuple[str, str]]:
        found = self.server.execute("SELECT id, price FROM item", database=self.database)
        return {(str(key), str(price)) for key, price in found}

    def teardown(self) -> None:
        try:
            for con in self.open:
                con.commit()
                con.close()
            self.open = []
            self.ingest(is_cut=False, dies=False)
            self.ingest(is_cut=False, dies=False)
            self._check()
        finally:
            self.writer.close()
            self.lake_context.__exit__(None, None, None)
            self.server.execute(f"DROP DATABASE {self.database}")
            shutil.rmtree(self.home, ignore_errors=True)

    def _check(self) -> None:
        found = self.lake.con.execute("SELECT _record_key, payload->>'price' FROM lake.raw.shop_item").fetchall()
        raw = Counter((key, price) for key, price in found)
        # Every write has a price of its own: a version is named by key and price.
        assert self.seen - set(raw) == set(), "lost"
        assert [version for version, count in raw.items() if count > 1] == [], "doubled"
        # And the keys of raw that went without a word become deletions: what lives in raw is what the table has.
        run = Run(f"run-{next(self.runs)}", "check", datetime.now(UTC) + timedelta(seconds=1))
        delete_missing(self.lake, self.settings, ("shop", "item"), run)
        newest = self.lake.con.execute(
            "SELECT _record_key FROM lake.raw.shop_item QUALIFY row_number() OVER (PARTITION BY _record_key"
            " ORDER BY _changed_at DESC, _extracted_at DESC) = 1 AND NOT _is_deleted"
        ).fetchall()
        living = self.server.execute("SELECT id FROM item WHERE deleted_at IS NULL", database=self.database)
        assert {int(key) for (key,) in newest} <= {key for (key,) in living}


def test_raw_holds_every_version_once(mariadb: MariaServer, rounds: Callable[[int, int], int]) -> None:
    Histories.server = mariadb
    run_state_machine_as_test(
        Histories,
        settings=hypothesis_settings(max_examples=rounds(3, 200), stateful_step_count=12, deadline=None),
    )
