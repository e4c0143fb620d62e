"""How far objects have been read: times, or keys; and what the last check found of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from dataflow.observe.freshness import read_freshness, with_keys
from dataflow.observe.status import read_completeness
from dataflow.settings import ObjectSettings, Settings, SourceSettings
from dataflow.sources.key_versions import version_of_key
from dataflow.sources.protocol import BEGINNING
from dataflow.tables.ops import COMPLETENESS, WATERMARK
from lakehouse.connect import connect
from tests.lib.deliveries import ITEM

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENT = ObjectSettings(key="id", cursor="id", fields={"id": "BIGINT"})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    shop = SourceSettings.model_construct(adapter="mysql", objects={"item": ITEM, "event": EVENT})
    return Settings(home=tmp_path).model_copy(update={"sources": {"shop": shop}})


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(threads=1) as con:
        con.execute("CREATE SCHEMA ops")
        for table in (WATERMARK, COMPLETENESS):
            columns = ", ".join(f"{column.name} {column.type}" for column in table.columns)
            con.execute(f"CREATE TABLE {table.sql_name} ({columns})")
        yield con


def test_a_key_is_shown_as_a_key(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    for name, cursor_at in (("item", NOW - timedelta(hours=3)), ("event", version_of_key(20_787)), ("gone", NOW)):
        con.execute("INSERT INTO ops.watermark VALUES ('shop', ?, ?, ?, 'run-1')", [name, cursor_at, NOW])
    rows = read_freshness(con, settings, now=NOW)
    assert [(row["object"], row["watermark"], row["key"], row["hours_behind"]) for row in rows] == [
        ("event", None, 20_787, None),
        ("item", NOW - timedelta(hours=3), None, 3.0),
    ]


def test_an_interval_of_keys_is_shown_as_keys(settings: Settings) -> None:
    window = {"source": "shop", "from": version_of_key(5), "until": version_of_key(9), "keys": None}
    [event, item] = with_keys([{**window, "object": "event"}, {**window, "object": "item"}], settings)
    assert (event["from"], event["until"], event["keys"]) == (None, None, "keys 5..9")
    assert item == {**window, "object": "item"}


def test_rows_ahead_and_compared_keys_are_part_of_completeness(
    con: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    def compare(comparison: str, hour: int, counts: tuple[int, int, int], name: str = "item") -> None:
        at_source, in_raw, appended = counts
        con.execute(
            "INSERT INTO ops.completeness VALUES ('shop', ?, ?, ?, '', ?, ?, '', ?, '', ?, ?, NULL, ?)",
            [name, BEGINNING, NOW, comparison, at_source, in_raw, appended, NOW + timedelta(hours=hour), f"run-{hour}"],
        )

    compare("landing", 0, (7, 7, 7))
    compare("landing", 0, (1, 1, 1), "gone")
    [row] = read_completeness(con, settings)
    assert (row["is_complete"], row["checked_at"], row["ahead"], row["gone"]) == (True, None, None, None)
    compare("range", 1, (7, 7, 0))
    compare("ahead", 1, (3, 0, 0))
    compare("keys_in_ranges", 1, (5, 7, 2))
    [row] = read_completeness(con, settings)
    assert (row["is_complete"], row["ahead"], row["gone"]) == (False, 3, 2)
    assert row["checked_at"] == row["keys_compared_at"] == NOW + timedelta(hours=1)
    compare("ahead", 2, (0, 0, 0))
    assert [row["is_complete"] for row in read_completeness(con, settings)] == [True]
