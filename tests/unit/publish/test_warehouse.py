"""The warehouse shows the committed snapshot: whole, once, and whatever happened on the way."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from dataflow.access.lake import open_lake
from dataflow.access.pipeline import open_published
from dataflow.errors import SinkError
from dataflow.publish import Publication
from dataflow.settings import Settings
from dataflow.sinks import sink_warehouse
from dataflow.sinks.views import VIEWS
from dataflow.sinks.warehouse import warehouse_snapshot
from dataflow.tables import published
from dataflow.tables.declared import declared_tables
from dataflow.workspace.relations import sql_of
from lakehouse import Lake
from tests.lib.customers import World, record_of
from tests.lib.publishing import publish_world, settings_in
from tests.lib.tables import MOMENT, read_rows


@dataclass
class Shop:
    """A lake at the default places of a home, with three publications."""

    settings: Settings
    lake: Lake
    days: list[Publication]

    def settings_for(self, warehouse: Path) -> Settings:
        place = self.settings.warehouse.model_copy(update={"path": str(warehouse)})
        return self.settings.model_copy(update={"warehouse": place})


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    home = tmp_path_factory.mktemp("shop")
    settings = settings_in(home)
    with open_lake(settings, purpose="test") as lake:
        lake.ensure(declared_tables(settings).values())
        world = World()
        for name in ("a", "b", "c"):
            world.customer(name, email=f"{name}@example.org")
            world.order(f"o{name}", record_of(name), MOMENT - timedelta(days=5), 10)
        days = [publish_world(lake, home, world)]
        world.merge("c", "a")
        days.append(publish_world(lake, home, world, now=MOMENT + timedelta(days=1)))
        del world.orders["ob"]
        world.order("new", record_of("a"), MOMENT, 99)
        days.append(publish_world(lake, home, world, now=MOMENT + timedelta(days=2)))
        yield Shop(settings, lake, days)


def shows(warehouse: Path, shop: Shop, snapshot: int) -> bool:
    """Whether every table of the warehouse has the rows of the lake at the snapshot."""
    here = duckdb.connect(str(warehouse), read_only=True)
    there = open_published(shop.settings, at=snapshot)
    try:
        return all(
            read_rows(here, f"FROM {table.sql_name} ORDER BY ALL")
            == read_rows(there, f"FROM {table.sql_name} ORDER BY ALL")
            for table in published.TABLES
        )
    finally:
        here.close()
        there.close()


def test_it_follows_day_by_day_and_a_second_call_does_nothing(shop: Shop, tmp_path: Path) -> None:
    warehouse = tmp_path / "new folder" / "w.duckdb"
    settings = shop.settings_for(warehouse)
    before = None
    for day in shop.days:
        report = sink_warehouse(settings, day)
        assert (report.facts["was_at_snapshot"], warehouse_snapshot(warehouse)) == (before, day.snapshot.id)
        assert shows(warehouse, shop, day.snapshot.id)
        written = warehouse.stat()
        assert sink_warehouse(settings, day).rows_out == 0
        assert warehouse.stat().st_ino == written.st_ino
        before = day.snapshot.id


def test_an_increment_writes_fewer_rows_than_a_build(shop: Shop, tmp_path: Path) -> None:
    settings = shop.settings_for(tmp_path / "w.duckdb")
    whole = sink_warehouse(settings, shop.days[1]).rows_out
    assert 0 < sink_warehouse(settings, shop.days[2]).rows_out < whole
    assert shows(tmp_path / "w.duckdb", shop, shop.days[2].snapshot.id)


def test_a_snapshot_that_left_the_published_tables_alone_changes_nothing(shop: Shop, tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    settings = shop.settings_for(warehouse)
    sink_warehouse(settings, shop.days[2])
    written = warehouse.stat()
    _, later = shop.lake.transact(
        lambda con: con.execute("UPDATE lake.ops.run SET message = 'x'"), author="t", run_id="", message="other"
    )
    report = sink_warehouse(settings, replace(shop.days[2], snapshot=later))
    assert report.rows_out == 0
    assert warehouse.stat().st_ino == written.st_ino


def test_an_older_publication_is_shown_when_asked_for(shop: Shop, tmp_path: Path) -> None:
    settings = shop.settings_for(tmp_path / "w.duckdb")
    sink_warehouse(settings, shop.days[2])
    sink_warehouse(settings, shop.days[0])
    assert shows(tmp_path / "w.duckdb", shop, shop.days[0].snapshot.id)


def test_a_reader_keeps_what_it_has_open(shop: Shop, tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    sink_warehouse(shop.settings_for(warehouse), shop.days[0])
    reader = duckdb.connect(str(warehouse), read_only=True)
    sink_warehouse(shop.settings_for(warehouse), shop.days[2])
    assert reader.execute("SELECT snapshot_id FROM _publication").fetchall() == [(shop.days[0].snapshot.id,)]
    reader.close()


def test_every_view_answers_and_compiles_for_bigquery(shop: Shop, tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    sink_warehouse(shop.settings_for(warehouse), shop.days[2])
    con = duckdb.connect(str(warehouse), read_only=True)
    for view in VIEWS:
        assert con.execute(f"SELECT count(*) FROM published.{view.name}").fetchone()
        assert "`published`" in sql_of(view.rows(), dialect="bigquery")
    overview = read_rows(con, "SELECT customer_id, order_count, segments FROM published.v_customer_overview ORDER BY 1")
    con.close()
    assert overview[0] == {"customer_id": "a", "order_count": 3, "segments": "new_customer"}


def test_a_file_made_before_a_column_was_declared_is_written_anew(shop: Shop, tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    sink_warehouse(shop.settings_for(warehouse), shop.days[0])
    con = duckdb.connect(str(warehouse))
    for view in VIEWS:
        con.execute(f"DROP VIEW published.{view.name}")
    con.execute("ALTER TABLE published.customer_360 DROP COLUMN ticket_count")
    con.close()
    sink_warehouse(shop.settings_for(warehouse), shop.days[1])
    assert shows(warehouse, shop, shop.days[1].snapshot.id)


def test_a_file_that_is_no_warehouse_is_replaced(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "w.duckdb").write_bytes(b"half a file")
    sink_warehouse(shop.settings_for(tmp_path / "w.duckdb"), shop.days[0])
    assert shows(tmp_path / "w.duckdb", shop, shop.days[0].snapshot.id)


def test_a_place_that_cannot_be_written_is_told(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(SinkError, match="the warehouse is as it was") as told:
        sink_warehouse(shop.settings_for(tmp_path / "file" / "w.duckdb"), shop.days[0])
    assert told.value.retryable


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from dataflow.sinks import warehouse
from dataflow.publish.commit import Publication
from lakehouse import open_reader
from dataflow.access.lake import lake_location
from lakehouse.snapshot import History, metadata_name
from tests.lib.publishing import settings_in

settings = settings_in(Path({home!r}))
place = settings.warehouse.model_copy(update={{"path": {target!r}}})
settings = settings.model_copy(update={{"warehouse": place}})
con = open_reader(lake_location(settings), at={snapshot})
snapshot = History(con, database="lake", metadata=metadata_name("lake", "main")).at({snapshot})
setattr(warehouse, {step!r}, lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL))
warehouse.sink_warehouse(settings, Publication(run_id="r", status="published", snapshot=snapshot))
"""


@pytest.mark.parametrize("step", ["_write_views", "_compare", "_sync"])
def test_a_killed_sink_leaves_the_file_and_is_simply_run_again(shop: Shop, tmp_path: Path, step: str) -> None:
    warehouse = tmp_path / "w.duckdb"
    settings = shop.settings_for(warehouse)
    sink_warehouse(settings, shop.days[0])
    script = KILLED.format(
        root=str(Path(__file__).parents[3]),
        home=str(settings.home),
        target=str(warehouse),
        snapshot=shop.days[2].snapshot.id,
        step=step,
    )
    killed = subprocess.run([sys.executable, "-c", script], check=False, env=dict(os.environ), capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert shows(warehouse, shop, shop.days[0].snapshot.id)
    assert len(list(tmp_path.glob("*.draft*"))) >= 1
    sink_warehouse(settings, shop.days[2])
    assert shows(warehouse, shop, shop.days[2].snapshot.id)
    assert list(tmp_path.glob("*.draft*")) == []
