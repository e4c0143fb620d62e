"""Baselines: a publication that is not as those before is found, with the segment that moved most."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import AuditRefused
from dataflow.publish.baselines.publication import UNUSUAL_FACT, judge_publication
from dataflow.settings import Settings
from dataflow.settings.baselines import BaselinesSettings
from dataflow.tables.declared import declared_tables
from lakehouse import Lake
from tests.lib.publishing import settings_in
from tests.lib.tables import small_lake, workspace

TODAY = datetime(2026, 3, 1, 6, tzinfo=UTC)
ROWS, DAYS = 2_000, 20
ORDERS = "mysql.orders"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("baselines")


@pytest.fixture(scope="module")
def lake(folder: Path) -> Iterator[Lake]:
    """A lake with twenty publications of some 2,000 orders, half of them paid, a tenth without a number."""
    with small_lake(folder) as lake:
        wobble = "(1 + 0.02 * sin(d * 2.4 + hash(m || k) % 7))"
        figures = (
            f"('volume', '', '', {ROWS}), ('null_share', 'order_number', '', 0.1), ('null_share', 'currency', '', 0), "
            "('category_share', 'status', 'paid', 0.5), ('category_share', 'status', 'placed', 0.5)"
        )
        lake.transact(
            lambda con: con.execute(f"""
                INSERT INTO lake.ops.baseline BY NAME
                SELECT 'run' || d AS run_id, TIMESTAMPTZ '{TODAY.isoformat()}' - to_days({DAYS} - d) AS published_at,
                    '{ORDERS}' AS object_name, m AS measure, c AS column_name, k AS category, v * {wobble} AS value,
                    {ROWS} AS row_count, 'normal' AS verdict, 'run' || d AS _run_id
                FROM range({DAYS}) r(d), (VALUES {figures}) f(m, c, k, v)
            """),
            author="tests",
            run_id="tests",
            message="history",
        )
        yield lake


def judged(
    lake: Lake, folder: Path, *, rows: int = ROWS, nulls: str = "n % 10 = 0", status: str = "n % 2 = 0", **changed: Any
) -> tuple[dict[str, list[str]], dict[tuple[str, str, str], dict[str, Any]]]:
    """Judge a day's orders; return what is not as usual, and the kept figures."""
    base = settings_in(folder)
    settings = base.model_copy(update={"baselines": BaselinesSettings(**changed)})
    with workspace(lake, folder, now=TODAY) as ws:
        stage_orders(ws, settings, rows=rows, nulls=nulls, status=status)
        reports = judge_publication(ws, settings)
        names = ("measure", "column_name", "category", "verdict", "value", "lowest", "highest")
        found = ws.con.execute(
            f"SELECT {', '.join(names)} FROM ops.baseline WHERE run_id = 'run' AND object_name = '{ORDERS}'"
        ).fetchall()
    kept = {row[:3]: dict(zip(names[3:], row[3:], strict=True)) for row in found}
    return (reports[0].facts[UNUSUAL_FACT] if reports else {}), kept


def stage_orders(ws: Any, settings: Settings, *, rows: int, nulls: str, status: str) -> None:
    table = declared_tables(settings)["valid.mysql_orders"]
    given = {
        "_source": "'mysql'",
        "_object": "'orders'",
        "_record_key": "n::VARCHAR",
        "_extracted_at": "now()",
        "_row_hash": "n::VARCHAR",
        "order_number": f"CASE WHEN {nulls} THEN NULL ELSE 'A' || n END",
        "status": f"CASE WHEN {status} THEN 'paid' ELSE 'placed' END",
        "currency": "'EUR'",
    }
    columns = ", ".join(
        f"({given.get(column.name, 'NULL')})::{column.type} AS {column.name}"
        for column in table.columns
        if column.name != "_run_id"
    )
    ws.stage(table, f"SELECT {columns} FROM range({rows}) r(n)")


def test_a_day_as_usual_is_quiet_and_kept(lake: Lake, folder: Path) -> None:
    unusual, kept = judged(lake, folder)
    assert unusual == {ORDERS: []}
    volume = kept["volume", "", ""]
    assert volume["verdict"] == "normal"
    assert volume["lowest"] < ROWS < volume["highest"]
    assert kept["category_share", "status", "cancelled"]["verdict"] == "quiet"
    assert {measure for measure, _, _ in kept} == {"volume", "null_share", "distinct", "category_share"}


def test_fewer_rows_are_an_alarm_with_the_segment_that_moved(lake: Lake, folder: Path) -> None:
    unusual, kept = judged(lake, folder, rows=1_400, status="n % 7 <> 0")
    assert kept["volume", "", ""]["verdict"] == "alarm"
    [volume, *shares] = unusual[ORDERS]
    assert volume.startswith("mysql.orders: rows: 1,400, expected 1,996 (")
    assert "; most in status = placed: 200 rows, expected 999" in volume
    assert all(": share of status = " in text for text in shares)


def test_more_nulls_name_where_they_are(lake: Lake, folder: Path) -> None:
    unusual, _ = judged(lake, folder, nulls="n % 2 = 0 AND n % 3 = 0")
    [text] = unusual[ORDERS]
    assert text.startswith("mysql.orders: share of nulls in order_number: 16.7 %, expected 9.99 % (")
    assert text.endswith("; most in status = paid: 33.4 % of 1,000 rows")


def test_a_declared_window_is_measured_and_not_judged(lake: Lake, folder: Path) -> None:
    window = {"begins": TODAY - timedelta(hours=1), "ends": TODAY + timedelta(hours=1), "reason": "a known day"}
    unusual, kept = judged(lake, folder, rows=200, windows={"known": window})
    assert unusual == {}
    assert {one["verdict"] for one in kept.values()} == {"declared"}


def test_block_refuses_the_publication_and_says_what_to_do(lake: Lake, folder: Path) -> None:
    with pytest.raises(
        AuditRefused, match=r"1 figure is not as usual: .*rows: 200, expected 1,996 .*\[baselines\.windows\.NAME\]"
    ) as refused:
        judged(lake, folder, rows=200, severity="block")
    assert [(one.rule, one.on) for one in refused.value.broken] == [("baseline", ORDERS)]


def test_off_measures_nothing(lake: Lake, folder: Path) -> None:
    assert judged(lake, folder, severity="off") == ({}, {})
