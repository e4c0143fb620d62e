"""A replica that is really behind: what it does not have yet is in no window, and comes when it has caught up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from pymysql.cursors import DictCursor

from dataflow.errors import ExitCode, SourceIncomplete
from dataflow.settings import SourceSettings
from dataflow.sources import ObjectState
from dataflow.sources.mysql import MySQLSource
from dataflow.sources.mysql.probe import probe
from tests.lib.deliveries import read_rows
from tests.lib.servers.certificates import Certificates
from tests.lib.servers.mariadb import MariaServer, mariadb_server
from tests.lib.shops import ITEM_TABLE, fetch_all, shop

DATABASE = "shop"
WAIT_SECONDS = 120.0


@dataclass(frozen=True)
class Pair:
    """A primary, and a replica that follows it."""

    primary: MariaServer
    replica: MariaServer

    def begin(self) -> None:
        [(file, position, *_)] = self.primary.execute("SHOW MASTER STATUS")
        self.replica.execute(
            f"CHANGE MASTER TO MASTER_HOST = '{self.primary.host}', MASTER_PORT = {self.primary.port},"
            f" MASTER_USER = '{self.primary.owner}', MASTER_PASSWORD = '{self.primary.password}', MASTER_SSL = 1,"
            f" MASTER_LOG_FILE = '{file}', MASTER_LOG_POS = {position}, MASTER_CONNECT_RETRY = 1"
        )
        self.follow()
        self.primary.execute(f"CREATE DATABASE {DATABASE}")
        self.primary.execute(ITEM_TABLE, database=DATABASE)

    def follow(self, *, hours_behind: int = 0) -> None:
        """Have the replica apply what the primary did so long ago."""
        delay = f"CHANGE MASTER TO MASTER_DELAY = {hours_behind * 3600}"
        self.replica.execute("STOP SLAVE", delay, "START SLAVE")

    def sell(self, key: int) -> datetime:
        """Write a row to the primary; returns its stamp."""
        at = datetime.now(UTC)
        row = f"({key}, 1, '{at:%Y-%m-%d %H:%M:%S.%f}', NULL)"
        self.primary.execute(f"INSERT INTO item VALUES {row}", database=DATABASE)
        return at

    @property
    def source(self) -> SourceSettings:
        return shop(self.replica, DATABASE)

    def behind(self) -> int | None:
        """So many seconds, as the replica knows; None while it does not follow."""
        with self.replica.connect() as con, con.cursor(DictCursor) as cursor:
            cursor.execute("SHOW SLAVE STATUS")
            seconds = (cursor.fetchone() or {})["Seconds_Behind_Master"]
        return None if seconds is None else int(seconds)

    def has_table(self) -> bool:
        """Whether the replica has come as far as the table."""
        found = "SELECT 1 FROM information_schema.TABLES WHERE TABLE_NAME = 'item'"
        return bool(self.replica.execute(found))


@pytest.fixture(scope="module")
def pair(certificates: Certificates) -> Iterator[Pair]:
    server, ca = certificates.server, certificates.ca
    with (
        mariadb_server(server, ca, options=["--server-id=1", "--log-bin=primary"]) as primary,
        mariadb_server(server, ca, options=["--server-id=2"]) as replica,
    ):
        made = Pair(primary, replica)
        made.begin()
        until(made.has_table)
        yield made


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come to it"
        time.sleep(0.05)


def keys(reader: MySQLSource, state: ObjectState) -> list[str]:
    """The keys that a run from this state reads."""
    windows = reader.plan("item", state)
    return [str(row["record_key"]) for planned in windows for row in read_rows(reader.fetch(planned).batches)]


def test_what_a_replica_does_not_have_yet_is_in_no_window(pair: Pair) -> None:
    seen = pair.sell(1)
    reader = MySQLSource("shop", pair.source)
    until(lambda: len(fetch_all(reader)) == 1)
    pair.follow(hours_behind=1)
    missed = pair.sell(2)
    until(lambda: (pair.behind() or 0) >= 4)
    [planned] = reader.plan("item", ObjectState(watermark=seen))
    # Nothing is known of the time since, so nothing is said of it. The replica counts in whole seconds of two clocks.
    assert planned.window.until <= missed + timedelta(seconds=2)
    assert "2" not in keys(reader, ObjectState(watermark=seen))
    strict = MySQLSource("shop", shop(pair.replica, DATABASE, max_replica_lag_seconds=0))
    with pytest.raises(
        SourceIncomplete, match=r"the replica is \d+ s behind its primary, and 0 s are allowed"
    ) as raised:
        strict.plan("item", ObjectState())
    assert raised.value.exit_code == ExitCode.PARTIAL
    with pytest.raises(SourceIncomplete):
        # A row that has not arrived would look like one that is gone.
        list(strict.missing_keys("item", iter(["2"])))
    pair.follow()
    until(lambda: pair.behind() == 0)
    until(lambda: keys(reader, ObjectState(watermark=seen)) == ["1", "2"])


def test_doctor_tells_the_lag_and_a_replica_that_stands_still(pair: Pair) -> None:
    def lag() -> tuple[bool, str, str]:
        [found] = [one for one in probe("shop", pair.source) if one.name == "replica lag"]
        return found.is_well, found.found, found.fix

    pair.follow()
    until(lambda: pair.behind() == 0)
    assert lag() == (True, "0 s (300 s allowed)", "")
    pair.replica.execute("STOP SLAVE")
    is_well, found, fix = lag()
    assert not is_well
    assert "replication stands still" in found
    assert "start replication" in fix
    pair.replica.execute("START SLAVE")
    until(lambda: lag()[0])
