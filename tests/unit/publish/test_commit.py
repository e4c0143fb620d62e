"""The audits stand inside the commit's transaction: a publication that breaks one leaves the lake as it was."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from dataflow.errors import AuditRefused, ExitCode
from dataflow.publish import commit, content_hash
from dataflow.publish.refusals import explain_failed
from dataflow.publish.table_rules import check_table_rules, compile_table_rules
from dataflow.settings import load_settings
from dataflow.tables.declared import declared_tables
from dataflow.tables.published import CUSTOMER_360, ORDERS
from lakehouse import Lake
from tests.lib.customers import World, record_of
from tests.lib.publishing import compute_world, publish_world, settings_in
from tests.lib.tables import NOW, small_lake, workspace


@pytest.fixture(scope="module")
def world() -> World:
    world = World()
    world.customer("a", email="a@example.org")
    world.order("o", record_of("a"), datetime(2026, 2, 1, tzinfo=UTC), 10)
    return world


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("commit")


@pytest.fixture(scope="module")
def lake(folder: Path, world: World) -> Iterator[Lake]:
    with small_lake(folder) as lake:
        publish_world(lake, folder, world)
        yield lake


@pytest.mark.parametrize(
    ("table", "rows", "told"),
    [
        (
            ORDERS,
            "SELECT * REPLACE ('lost in the post' AS status) FROM published.orders",
            "published.orders: columns.status.checks.invalid",
        ),
        (
            ORDERS,
            "SELECT * REPLACE (base_amount + 1 AS base_amount) FROM published.orders",
            "published.orders: revenue_is_conserved",
        ),
        (
            CUSTOMER_360,
            "SELECT * FROM published.customer_360 WHERE false",
            "published.customer_360: checks.row_count",
        ),
    ],
    ids=["contract", "invariant", "nothing left"],
)
def test_a_publication_that_breaks_an_audit_is_rolled_back(
    lake: Lake, folder: Path, table: object, rows: str, told: str
) -> None:
    before = lake.snapshot().id, content_hash(lake.con)
    with workspace(lake, folder, run_id="bad") as ws:
        ws.stage(table, rows)  # type: ignore[arg-type]
        with pytest.raises(AuditRefused) as refused:
            commit(ws, lake, [])
    assert told in str(refused.value)
    assert "lost in the post" not in str(refused.value)
    assert refused.value.exit_code is ExitCode.REFUSED
    assert (lake.snapshot().id, content_hash(lake.con)) == before
    assert lake.con.execute("SELECT count(*) FROM lake.ops.run WHERE run_id = 'bad'").fetchall() == [(0,)]


def test_every_failed_check_is_named(lake: Lake, folder: Path, world: World) -> None:
    with workspace(lake, folder, run_id="bad") as ws:
        ws.stage(ORDERS, "SELECT * REPLACE ('?' AS status, 'no' AS currency_code, -1 AS amount) FROM published.orders")
        with pytest.raises(AuditRefused, match="3 of") as refused:
            commit(ws, lake, [], settings=settings_in(folder))
    assert [failed.partition(" (")[0] for failed in refused.value.failed] == [
        "published.orders: columns.status.checks.invalid",
        "published.orders: columns.currency_code.checks.invalid",
        "published.orders: checks.failed_rows.refunds",
    ]
    status, currency, refunds = refused.value.checks
    assert (status.column, status.rows, currency.column, currency.rows) == ("status", 1, "currency_code", 1)
    assert (refunds.on, refunds.column) == ("published.orders", "")
    # Of a personal class: its values are counted and not shown.
    assert status.categories == currency.categories == ()
    assert status.settles.startswith("in [mappings.")
    assert status.settles in str(refused.value)


def test_a_refusal_shows_values_that_are_about_no_person(lake: Lake, folder: Path) -> None:
    text = """
    [rules.kpis_are_counts]
    on = "published.kpi_daily"
    holds = "unit = 'count'"
    severity = "block"
    reason = "unit is not count"
    passes = [{ unit = "count" }]
    fails = [{ unit = "share" }]
    """
    (folder / "rules.toml").write_text(text)
    configured = load_settings(folder / "rules.toml", home=folder)
    tables = declared_tables(configured)
    [rule] = compile_table_rules(configured, tables, now=NOW)
    expected = lake.con.execute(
        "SELECT unit, count(*) FROM lake.published.kpi_daily WHERE unit <> 'count' GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    [result] = check_table_rules(lake.con, [rule], {rule.on})
    [found] = explain_failed(lake.con, [result], tables=tables, settings=configured)
    assert found.categories == tuple((f'"{unit}"', rows) for unit, rows in expected)
    assert (found.column, found.rows) == ("unit", sum(rows for _, rows in expected))
    assert found.settles == 'rules.toml: correct the rule kpis_are_counts, or write severity = "warn"'.replace(
        "rules.toml", rule.place
    )


def test_the_snapshot_names_the_run(lake: Lake) -> None:
    assert (lake.snapshot().run_id, lake.snapshot().author) == ("run", "dataflow")


def test_a_whole_rebuild_of_a_sound_lake_changes_nothing(lake: Lake, folder: Path, world: World) -> None:
    publication = publish_world(lake, folder, world, run_id="rebuilt", everything=True)
    assert publication.status == "unchanged"


def test_a_whole_rebuild_finds_what_no_change_points_at(lake: Lake, folder: Path, world: World) -> None:
    tables = ("kpi_daily", "customer_features", "segments", "orders", "customer_360")

    def damage(con: duckdb.DuckDBPyConnection) -> None:
        for table in tables:
            con.execute(f"DELETE FROM lake.published.{table}")

    before = content_hash(lake.con)
    lake.transact(damage, author="test", run_id="", message="damage")
    publication = publish_world(lake, folder, world, run_id="mended", everything=True)
    assert {f"published.{table}" for table in tables} <= {n for n, s in publication.written.items() if s.inserted}
    assert content_hash(lake.con) == before


def test_the_hash_sees_content_and_neither_order_nor_run(lake: Lake, folder: Path, world: World) -> None:
    first = content_hash(lake.con)
    with small_lake(folder / "other") as other:
        world.customers = dict(reversed(world.customers.items()))
        publish_world(other, folder / "other", world, run_id="another run", now=NOW)
        assert content_hash(other.con) == first
        other.con.execute("UPDATE lake.published.orders SET _run_id = 'x'")
        assert content_hash(other.con) == first
        other.con.execute("UPDATE lake.published.orders SET piece_count = 7")
        assert content_hash(other.con) != first


def test_reports_conserve_rows(lake: Lake, folder: Path, world: World) -> None:
    with workspace(lake, folder, run_id="reports") as ws:
        reports = compute_world(ws, world, settings_in(folder), everything=True)
    by_subject = {report.subject: report for report in reports}
    assert by_subject["published.customer_360"].rows_in == len(world.customers)
    assert by_subject["published.orders"].rows_in == by_subject["published.orders"].rows_out == len(world.orders)
