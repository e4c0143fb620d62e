"""The warehouse shows the committed snapshot: whole, once, and whatever happened on the way."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from dataflow.access.pipeline import open_published
from dataflow.errors import SinkError, SinkTimeout
from dataflow.sinks.views import VIEWS
from dataflow.sinks.warehouse import Warehouse, warehouse_snapshot
from dataflow.tables import published
from dataflow.tables.subject import Subject
from dataflow.workspace.relations import sql_of
from tests.lib.customers import record_of
from tests.lib.tables import read_rows
from tests.lib.three_publications import Shop, open_shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory) as made:
        yield made


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
        report = Warehouse(settings).follow(day)
        assert (report.facts["was_at"], warehouse_snapshot(warehouse)) == (before, day.snapshot.id)
        assert shows(warehouse, shop, day.snapshot.id)
        written = warehouse.stat()
        assert Warehouse(settings).follow(day).rows_out == 0
        assert warehouse.stat().st_ino == written.st_ino
        before = day.snapshot.id


def test_an_increment_writes_fewer_rows_than_a_build(shop: Shop, tmp_path: Path) -> None:
    settings = shop.settings_for(tmp_path / "w.duckdb")
    whole = Warehouse(settings).follow(shop.days[1]).rows_out
    assert 0 < Warehouse(settings).follow(shop.days[2]).rows_out < whole
    assert shows(tmp_path / "w.duckdb", shop, shop.days[2].snapshot.id)


def test_a_snapshot_that_left_the_published_tables_alone_changes_nothing(shop: Shop, tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    settings = shop.settings_for(warehouse)
    Warehouse(settings).follow(shop.days[2])
    written = warehouse.stat()
    _, later = shop.lake.transact(
        lambda con: con.execute("UPDATE lake.ops.run SET message = 'x'"), author="t", run_id="", message="other"
    )
    report = Warehouse(settings).follow(replace(shop.days[2], snapshot=later))
    assert report.rows_out == 0
    assert warehouse.stat().st_ino == written.st_ino


def test_a_run_that_comes_late_does_not_turn_the_file_back(shop: Shop, tmp_path: Path) -> None:
    settings = shop.settings_for(tmp_path / "w.duckdb")
    Warehouse(settings).follow(shop.days[2])
    assert Warehouse(settings).follow(shop.days[0]).rows_out == 0
    assert shows(tmp_path / "w.duckdb", shop, shop.days[2].number)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("snapshot_id = 1000000", "shows publication 1000000, which this lake has not reached: it ends at"),
        ("lake_id = 'another'", "of another lake, another; this one is"),
    ],
)
def test_a_file_of_another_lake_is_refused_until_it_is_cleared(
    shop: Shop, tmp_path: Path, change: str, told: str
) -> None:
    settings = shop.settings_for(tmp_path / "w.duckdb")
    Warehouse(settings).follow(shop.days[0])
    with duckdb.connect(str(tmp_path / "w.duckdb")) as con:
        con.execute(f"UPDATE _publication SET {change}")
    with pytest.raises(SinkError, match=told) as refused:
        Warehouse(settings).follow(shop.days[2])
    assert "dataflow sinks adopt warehouse" in refused.value.next_move
    Warehouse(settings).clear()
    assert Warehouse(settings).shows() is None
    Warehouse(settings).follow(shop.days[2])
    assert shows(tmp_path / "w.duckdb", shop, shop.days[2].number)


def test_a_reader_keeps_what_it_has_open(shop: Shop, tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    Warehouse(shop.settings_for(warehouse)).follow(shop.days[0])
    reader = duckdb.connect(str(warehouse), read_only=True)
    Warehouse(shop.settings_for(warehouse)).follow(shop.days[2])
    assert reader.execute("SELECT snapshot_id FROM _publication").fetchall() == [(shop.days[0].snapshot.id,)]
    reader.close()


def test_every_view_answers_and_compiles_for_bigquery(shop: Shop, tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    Warehouse(shop.settings_for(warehouse)).follow(shop.days[2])
    con = duckdb.connect(str(warehouse), read_only=True)
    for view in VIEWS.values():
        assert con.execute(f"SELECT count(*) FROM published.{view.name}").fetchone()
        assert "`published`" in sql_of(view.rows(), dialect="bigquery")
    overview = read_rows(con, "SELECT customer_id, order_count, segments FROM published.v_customer_overview ORDER BY 1")
    con.close()
    assert overview[0] == {"customer_id": "a", "order_count": 3, "segments": "new_customer"}


def test_a_file_made_before_a_column_was_declared_is_written_anew(shop: Shop, tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    Warehouse(shop.settings_for(warehouse)).follow(shop.days[0])
    con = duckdb.connect(str(warehouse))
    for view in VIEWS.values():
        con.execute(f"DROP VIEW published.{view.name}")
    con.execute("ALTER TABLE published.customer_360 DROP COLUMN ticket_count")
    con.close()
    Warehouse(shop.settings_for(warehouse)).follow(shop.days[1])
    assert shows(warehouse, shop, shop.days[1].snapshot.id)


def test_a_file_that_is_no_warehouse_is_replaced(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "w.duckdb").write_bytes(b"half a file")
    Warehouse(shop.settings_for(tmp_path / "w.duckdb")).follow(shop.days[0])
    assert shows(tmp_path / "w.duckdb", shop, shop.days[0].snapshot.id)


def test_a_place_that_cannot_be_written_is_told(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(SinkError, match="the warehouse is unchanged") as told:
        Warehouse(shop.settings_for(tmp_path / "file" / "w.duckdb")).follow(shop.days[0])
    assert told.value.retryable


def test_one_whose_time_is_over_ends_by_itself_and_leaves_the_file(shop: Shop, tmp_path: Path) -> None:
    settings = shop.settings_for(tmp_path / "w.duckdb")
    Warehouse(settings).follow(shop.days[0])
    hurried = settings.model_copy(update={"sinks": settings.sinks.model_copy(update={"timeout_seconds": 1e-9})})
    with pytest.raises(SinkTimeout, match=r"sinks\.timeout_seconds") as told:
        Warehouse(hurried).follow(shop.days[2])
    assert not told.value.retryable
    assert shows(tmp_path / "w.duckdb", shop, shop.days[0].number)
    assert list(tmp_path.glob("*.draft*")) == []


def test_a_person_is_forgotten_whole_and_twice_is_no_error(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "w.duckdb"
    sink = Warehouse(shop.settings_for(file))
    sink.follow(shop.days[2])
    person = Subject(customer_ids=frozenset({"a", "c"}), record_ids=frozenset({record_of("a"), record_of("c")}))
    before, others = counts(file), counts(file, where="customer_id = 'b'")
    assert before["customer_360"] > others["customer_360"] > 0
    removed = sink.forget(person)
    assert removed == sum(before.values()) - sum(others.values()) > 0
    assert counts(file) == others
    assert warehouse_snapshot(file) == shop.days[2].number
    assert b"a@example.org" not in file.read_bytes()
    con = duckdb.connect(str(file), read_only=True)
    assert con.execute("SELECT customer_id FROM published.v_customer_overview").fetchall() == [("b",)]
    con.close()
    assert sink.forget(person) == 0
    assert Warehouse(shop.settings_for(tmp_path / "none.duckdb")).forget(person) == 0


def counts(file: Path, *, where: str = "true") -> dict[str, int]:
    """Rows of each table that has a customer."""
    con = duckdb.connect(str(file), read_only=True)
    try:
        found = {}
        for table in published.TABLES:
            if table.subjects:
                row = con.execute(f"SELECT count(*) FROM {table.sql_name} WHERE {where}").fetchone()
                assert row is not None
                found[table.name] = int(row[0])
        return found
    finally:
        con.close()


def test_a_file_that_cannot_be_read_is_no_reason_to_say_that_a_person_is_gone(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "w.duckdb").write_bytes(b"half a file")
    with pytest.raises(SinkError, match="the warehouse is unchanged"):
        Warehouse(shop.settings_for(tmp_path / "w.duckdb")).forget(Subject(customer_ids=frozenset({"a"})))


def test_the_probe_says_what_the_file_shows(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "w.duckdb"
    sink = Warehouse(shop.settings_for(file))
    [absent] = sink.probe()
    sink.follow(shop.days[1])
    [well] = sink.probe()
    file.write_bytes(b"half a file")
    [broken] = sink.probe()
    assert (absent.is_well, well.is_well, broken.is_well) == (True, True, False)
    assert "not created yet" in absent.found
    assert f"publication {shop.days[1].number}" in well.found
    assert "delete it" in broken.fix


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from dataflow.sinks import draft, warehouse
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
setattr(draft, {step!r}, lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL))
warehouse.Warehouse(settings).follow(Publication(run_id="r", status="published", snapshot=snapshot))
"""


@pytest.mark.parametrize("step", ["_write_views", "_compare", "_sync"])
def test_a_killed_sink_leaves_the_file_and_is_simply_run_again(shop: Shop, tmp_path: Path, step: str) -> None:
    warehouse = tmp_path / "w.duckdb"
    settings = shop.settings_for(warehouse)
    Warehouse(settings).follow(shop.days[0])
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
    Warehouse(settings).follow(shop.days[2])
    assert shows(warehouse, shop, shop.days[2].snapshot.id)
    assert list(tmp_path.glob("*.draft*")) == []
