"""How windows are planned and cut, what a lagging replica does to them, and what the server is asked besides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest

from dataflow.errors import ObjectHeldBack
from dataflow.land import check_object
from dataflow.settings import ObjectSettings
from dataflow.sources import Finding, KeyRange, ObjectState, Window, WindowMeasure
from dataflow.sources.key_versions import version_of_key
from dataflow.sources.mysql import MySQLSource
from dataflow.sources.mysql.probe import probe
from dataflow.sources.versions import key_fingerprint_sql
from lakehouse.connect import connect
from tests.lib.deliveries import ITEM, land, opened, read_rows, run
from tests.lib.servers.mariadb import MariaServer, numbers
from tests.lib.shops import ITEM_TABLE, add_items, company_with, fetch_all, plan_all, shop

FILL = f"""
    INSERT INTO item SELECT seq + IF(seq > 3000, 1000000000, 0), seq / 7, '2026-03-01' + INTERVAL seq SECOND,
        IF(seq % 10 = 0, '2026-03-02', NULL) FROM {numbers(6_000)}
"""


@pytest.fixture(scope="module")
def filled(mariadb: MariaServer) -> str:
    """Return a database with 6,000 items, in two crowds of keys."""
    name = mariadb.create_database()
    mariadb.execute(ITEM_TABLE, FILL, "ANALYZE TABLE item", database=name)
    return name


def test_a_first_load_is_cut_by_keys(mariadb: MariaServer, filled: str) -> None:
    source = MySQLSource("shop", shop(mariadb, filled, chunk_rows=1000))
    windows = plan_all(source)
    assert len(windows) > 3
    assert len({planned.fingerprint for planned in windows}) == len(windows)
    assert len({planned.window for planned in windows}) == 1
    ranges = [planned.keys for planned in windows]
    assert ranges[0] is not None and ranges[-1] is not None
    assert (ranges[0].start, ranges[-1].until) == (None, None)
    assert "keys .." in windows[0].subject
    rows = [row["record_key"] for planned in windows for row in read_rows(source.fetch(planned).batches)]
    assert len(rows) == len(set(rows)) == 6000


def test_a_backlog_is_cut_by_time(mariadb: MariaServer, filled: str) -> None:
    source = MySQLSource("shop", shop(mariadb, filled, chunk_rows=1000))
    state = ObjectState(watermark=datetime(2026, 3, 1, tzinfo=UTC))
    windows = source.plan("item", state)
    assert len(windows) > 3
    assert windows[0].window.start == datetime(2026, 2, 28, 23, 50, tzinfo=UTC)
    assert all(a.window.until == b.window.start for a, b in pairwise(windows))
    assert sum(row["defect"] is None for w in windows for row in read_rows(source.fetch(w).batches)) == 6000


def test_since_and_until_close_the_window(mariadb: MariaServer, filled: str) -> None:
    source = MySQLSource("shop", shop(mariadb, filled))
    since, until = datetime(2026, 3, 1, 0, 10, tzinfo=UTC), datetime(2026, 3, 1, 0, 20, tzinfo=UTC)
    [planned] = source.plan("item", ObjectState(watermark=until), since=since, until=until)
    assert planned.window == Window(since, until)
    assert len(read_rows(source.fetch(planned).batches)) == 600
    assert source.plan("item", ObjectState(), since=datetime.now(UTC) + timedelta(days=1)) == []


def test_an_object_without_a_time_follows_its_key(mariadb: MariaServer) -> None:
    name = mariadb.create_database()
    mariadb.execute("CREATE TABLE event (id BIGINT UNSIGNED PRIMARY KEY, what VARCHAR(9))", database=name)
    declared = ObjectSettings(key="id", cursor="id", fields={"id": "UBIGINT", "what": "VARCHAR"})
    source = MySQLSource("shop", shop(mariadb, name, {"event": declared}, lookback_keys=2))
    assert plan_all(source, "event") == []
    mariadb.execute(f"INSERT INTO event SELECT seq, 'x' FROM {numbers(9)}", database=name)
    rows = fetch_all(source, "event")
    assert [row["changed_at"] for row in rows] == [version_of_key(n) for n in range(1, 10)]
    [planned] = source.plan("event", ObjectState(watermark=version_of_key(7)))
    assert [row["record_key"] for row in read_rows(source.fetch(planned).batches)] == ["5", "6", "7", "8", "9"]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_a_survey_is_what_raw_would_say(mariadb: MariaServer, filled: str, zone: str) -> None:
    source = MySQLSource("shop", shop(mariadb, filled, time_zone=zone))
    [planned] = source.plan(
        "item", ObjectState(), since=datetime(2026, 3, 1, tzinfo=UTC), until=datetime(2026, 3, 1, 1, tzinfo=UTC)
    )
    con = connect(threads=1)
    con.execute("CREATE TABLE live (record_key VARCHAR, changed_at TIMESTAMPTZ)")
    for row in read_rows(source.fetch(planned).batches):
        if not row["is_deleted"] and planned.window.start <= row["changed_at"] < planned.window.until:
            con.execute("INSERT INTO live VALUES (?, ?)", [row["record_key"], row["changed_at"]])
    expected = con.execute(f"SELECT count(*), {key_fingerprint_sql('record_key', 'changed_at')} FROM live").fetchone()
    found = source.survey(planned)
    assert found.count > 2000
    assert (found.count, found.fingerprint) == expected


def test_missing_keys_are_those_no_row_has(mariadb: MariaServer, filled: str) -> None:
    source = MySQLSource("shop", shop(mariadb, filled))
    known = iter(["1", "10", "3001", "6000", "f" * 32, "1000003001"])
    assert list(source.missing_keys("item", known)) == ["3001", "6000"]


def test_missing_keys_of_two_columns(mariadb: MariaServer) -> None:
    name = mariadb.create_database()
    mariadb.execute(
        "CREATE TABLE item (a VARCHAR(9), b INT, updated_at DATETIME, PRIMARY KEY (a, b))",
        "INSERT INTO item VALUES ('x|y', 1, '2026-03-01'), ('''', 2, '2026-03-01')",
        database=name,
    )
    declared = ITEM.model_copy(update={"key": "a, b"})
    source = MySQLSource("shop", shop(mariadb, name, {"item": declared}))
    known = [row["record_key"] for row in fetch_all(source)]
    assert list(source.missing_keys("item", iter([*known, "x|1", "X%7Cy|1"]))) == ["x|1", "X%7Cy|1"]


LINES = (
    "CREATE TABLE line (order_id INT NOT NULL, number INT NOT NULL, sku VARCHAR(9) NOT NULL, note VARCHAR(9),"
    " updated_at DATETIME, PRIMARY KEY (order_id, number), UNIQUE KEY by_sku (order_id, sku), UNIQUE KEY (note))",
    "INSERT INTO line VALUES (1, 1, 'a', NULL, '2026-03-01'), (1, 2, 'b', NULL, '2026-03-02'),"
    " (2, 1, 'A', NULL, '2026-03-01')",
)


@pytest.mark.parametrize(
    ("key", "is_unique"),
    [
        ("order_id, number", True),
        ("order_id, sku, note", True),
        ("number, order_id, updated_at", True),
        ("sku", True),
        ("order_id", False),
        ("number", False),
    ],
)
def test_a_key_that_rows_share_is_refused_and_the_servers_keys_are_named(
    mariadb: MariaServer, key: str, is_unique: bool
) -> None:
    name = mariadb.create_database()
    mariadb.execute(*LINES, database=name)
    fields = {"order_id": "BIGINT", "number": "BIGINT", "sku": "VARCHAR", "note": "VARCHAR", "updated_at": "TIMESTAMP"}
    declared = ObjectSettings(key=key, cursor="updated_at", fields=fields)
    settings = shop(mariadb, name, {"line": declared})
    [found] = [finding for finding in probe("shop", settings) if finding.name == "table line"]
    if is_unique:
        assert len(plan_all(MySQLSource("shop", settings), "line")) == 1
        assert "share the key" not in found.found
        return
    with pytest.raises(ObjectHeldBack, match=f"the key {key} is not unique in line") as error:
        plan_all(MySQLSource("shop", settings), "line")
    assert 'key = ["order_id", "number"]; key = ["order_id", "sku"].' in error.value.next_move
    assert (found.is_well, found.found) == (False, f"rows of line share the key {key}")
    assert found.fix == error.value.next_move


def test_discover_tells_tables_and_types(mariadb: MariaServer, filled: str) -> None:
    mariadb.execute("CREATE TABLE IF NOT EXISTS unread (id INT PRIMARY KEY)", database=filled)
    item, unread = MySQLSource("shop", shop(mariadb, filled)).discover()
    assert [(field.name, field.type) for field in item.fields] == [
        ("id", "BIGINT"),
        ("price", "DECIMAL(12,2)"),
        ("updated_at", "TIMESTAMP"),
        ("deleted_at", "TIMESTAMP"),
    ]
    assert (unread.name, unread.is_declared) == ("unread", False)


def test_doctor_finds_all_well(mariadb: MariaServer, filled: str) -> None:
    found = {finding.name: finding for finding in probe("shop", shop(mariadb, filled, time_zone="UTC"))}
    assert [name for name, finding in found.items() if not finding.is_well] == []
    assert found["reach"].found.endswith("TLSv1.3")
    assert set(found) == {"reach", "clock", "time zone", "replica lag", "privileges", "table item"}


def test_doctor_tells_what_is_amiss(mariadb: MariaServer) -> None:
    name = mariadb.create_database()
    mariadb.execute(
        "CREATE TABLE item (id INT PRIMARY KEY, price DECIMAL(12,2), updated_at DATETIME, deleted_at DATETIME)",
        "CREATE TABLE narrow (id INT PRIMARY KEY, updated_at DATETIME, deleted_at INT, KEY (updated_at))",
        database=name,
    )
    objects = {"item": ITEM, "narrow": ITEM, "other": ITEM}
    found = {f.name: f for f in probe("shop", shop(mariadb, name, objects, user=mariadb.owner))}
    assert "can do more than read" in found["privileges"].found
    assert found["table item"].fix.endswith("CREATE INDEX updated_at ON item (updated_at)")
    assert found["table narrow"].found == "narrow differs from its declaration: gone price; retyped deleted_at"
    assert "has no table other" in found["table other"].found
    [refused] = probe("shop", shop(mariadb, name, password="wrong-password"))
    assert not refused.is_well and refused.fix.startswith("Correct user and password")


def test_a_key_range_narrows_a_window(mariadb: MariaServer) -> None:
    name = mariadb.create_database()
    mariadb.execute(ITEM_TABLE, database=name)
    add_items(mariadb, name, [(n, "1.00", "2026-03-01 12:00:00") for n in range(1, 6)])
    source = MySQLSource("shop", shop(mariadb, name))
    [planned] = plan_all(source)
    narrowed = type(planned)("shop", "item", planned.window, (), "f", keys=KeyRange(2, 4))
    assert [row["record_key"] for row in read_rows(source.fetch(narrowed).batches)] == ["2", "3"]
    assert source.measure(narrowed).count == 2


def test_keys_of_64_bits_are_followed(mariadb: MariaServer) -> None:
    name = mariadb.create_database()
    mariadb.execute("CREATE TABLE event (id BIGINT UNSIGNED PRIMARY KEY, what VARCHAR(9))", database=name)
    declared = ObjectSettings(key="id", cursor="id", fields={"id": "UBIGINT", "what": "VARCHAR"})
    source = MySQLSource("shop", shop(mariadb, name, {"event": declared}, lookback_keys=0, lookback_seconds=0))
    snowflake, highest = 1_541_815_603_606_036_480, 2**64 - 1
    keys = [7, 253 * 10**15 - 1, snowflake, snowflake + 4_194_304_000, highest - 65_536, highest]
    mariadb.execute(f"INSERT INTO event VALUES {', '.join(f'({key}, 0)' for key in keys)}", database=name)
    rows = fetch_all(source, "event")
    assert {row["record_key"]: row["changed_at"] for row in rows} == {str(key): version_of_key(key) for key in keys}
    [planned] = source.plan("event", ObjectState(watermark=version_of_key(snowflake)))
    assert {row["record_key"] for row in read_rows(source.fetch(planned).batches)} == {str(key) for key in keys[2:]}
    con = connect(threads=1)
    con.register("landed", pa.table({"k": [r["record_key"] for r in rows], "t": [r["changed_at"] for r in rows]}))
    [(total,)] = con.execute(f"SELECT {key_fingerprint_sql('k', 't')} FROM landed").fetchall()
    [whole] = plan_all(source, "event")
    assert whole.subject == f"shop.event keys ..{whole.window.keys.until}"
    assert source.survey(whole) == WindowMeasure(len(keys), total)
    assert list(source.missing_keys("event", iter(sorted(map(str, [*keys, highest - 1]))))) == [str(highest - 1)]


def test_ids_that_hold_a_time_are_read_again_by_time(mariadb: MariaServer) -> None:
    name = mariadb.create_database()
    mariadb.execute("CREATE TABLE event (id BIGINT PRIMARY KEY)", database=name)
    declared = ObjectSettings(key="id", cursor="id", fields={"id": "BIGINT"})
    source = MySQLSource("shop", shop(mariadb, name, {"event": declared}, lookback_seconds=60.0))
    last = 1_541_815_603_606_036_480
    late, early = last - (59_000 << 22), last - (61_000 << 22)
    mariadb.execute(f"INSERT INTO event VALUES ({early}), ({late}), ({last})", database=name)
    [planned] = source.plan("event", ObjectState(watermark=version_of_key(last)))
    assert [row["record_key"] for row in read_rows(source.fetch(planned).batches)] == [str(late), str(last)]


def test_rows_stamped_ahead_are_counted_and_read_where_that_is_declared(mariadb: MariaServer) -> None:
    name = mariadb.create_database()
    mariadb.execute(
        ITEM_TABLE,
        "INSERT INTO item VALUES (1, 1, UTC_TIMESTAMP(), NULL), (2, 2, UTC_TIMESTAMP() + INTERVAL 2 HOUR, NULL),"
        " (3, 3, '2099-01-01', NULL)",
        database=name,
    )
    source = MySQLSource("shop", shop(mariadb, name))
    assert [row["record_key"] for row in fetch_all(source)] == ["1"]
    ahead = source.count_ahead("item")
    assert ahead is not None and ahead.count == 2
    [table] = [one for one in probe("shop", shop(mariadb, name)) if one.name == "table item"]
    assert (table.is_well, table.found.partition(",")[0]) == (
        False,
        "2 rows of item are stamped later than the server's clock",
    )
    believed = MySQLSource("shop", shop(mariadb, name, {"item": ITEM.model_copy(update={"ahead_hours": 3})}))
    # What is ahead is read, and does not move the watermark: rows stamped by right clocks follow before it.
    assert [planned.moves_watermark for planned in plan_all(believed)] == [True, False]
    assert [row["record_key"] for row in fetch_all(believed)] == ["1", "2"]
    still = believed.count_ahead("item")
    assert still is not None and still.count == 1


def test_the_zone_of_the_servers_clock_is_compared_with_the_declared_one(mariadb: MariaServer) -> None:
    name = mariadb.create_database()
    mariadb.execute(ITEM_TABLE, database=name)

    def found(**given: str) -> Finding:
        return next(one for one in probe("shop", shop(mariadb, name, **given)) if one.name == "time zone")

    differing = found()
    assert (differing.is_well, "in +05:30" in differing.found) == (False, True)
    assert 'time_zone = "REGION/CITY" where NOW() fills these columns' in differing.fix
    # Who declares a zone has decided, also for UTC.
    assert found(time_zone="UTC").is_well
    assert found(time_zone="Asia/Kolkata").is_well
    mariadb.execute("SET GLOBAL time_zone = '+00:00'")
    try:
        assert found().is_well
    finally:
        mariadb.execute("SET GLOBAL time_zone = '+05:30'")


def test_a_table_without_a_time_is_read_whole(mariadb: MariaServer, tmp_path: Path) -> None:
    name = mariadb.create_database()
    mariadb.execute(
        "CREATE TABLE line (order_no INT, sku VARCHAR(9), n INT, PRIMARY KEY (order_no, sku))",
        "INSERT INTO line VALUES (1, 'A|1', 1), (1, 'B', 2), (2, 'A|1', 3)",
        database=name,
    )
    fields = {"order_no": "INTEGER", "sku": "VARCHAR", "n": "INTEGER"}
    declared = ObjectSettings(key=["order_no", "sku"], mode="full", fields=fields)
    settings = company_with(tmp_path, shop(mariadb, name, {"line": declared}))
    with opened(settings) as lake:
        land(lake, settings)
        mariadb.execute("DELETE FROM line WHERE sku = 'B'", "UPDATE line SET n = 9 WHERE order_no = 2", database=name)
        [report] = land(lake, settings, number=2)
        assert (report.rows_in, report.rows_out, report.merged, report.facts["gone"]) == (2, 1, 1, 1)
        found = lake.con.execute(
            "SELECT _record_key, payload->>'n', payload->>'sku', _is_deleted FROM lake.raw.shop_line"
            " QUALIFY row_number() OVER (PARTITION BY _record_key ORDER BY _changed_at DESC) = 1 ORDER BY 1"
        ).fetchall()
        assert found == [
            ("1|A%7C1", "1", "A|1", False),
            ("1|B", None, "B", True),
            ("2|A%7C1", "9", "A|1", False),
        ]
        assert check_object(lake, settings, ("shop", "line"), run(3)).missing == 0
    [finding] = [one for one in probe("shop", settings.sources["shop"]) if one.name == "table line"]
    assert finding == Finding("table line", True, "3 columns; read whole")


def test_mode_append_follows_the_key(mariadb: MariaServer) -> None:
    declared = ObjectSettings(key="id", mode="append", fields={"id": "UBIGINT"})
    source = shop(mariadb, mariadb.create_database(), {"event": declared})
    assert source.objects["event"].cursor == "id"
