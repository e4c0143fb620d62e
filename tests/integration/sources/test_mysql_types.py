"""Values of every type keep what they hold, and a table reads as its export to Parquet does."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.errors import SourceUnavailable
from dataflow.settings import ObjectSettings, SourceSettings
from dataflow.sources import FetchReport
from dataflow.sources.files import FilesSource
from dataflow.sources.mysql import MySQLSource
from dataflow.sources.mysql.questions import Table
from dataflow.sources.versions import complete
from lakehouse.connect import connect
from tests.lib.servers.mariadb import MariaServer, numbers
from tests.lib.shops import fetch_all, plan_all, shop

DIGITS = "12345678901234567890123456789012345.678901234567890123456789012345"
ANY = ObjectSettings(key="id", cursor="updated_at", deleted_when_set="deleted_at", fields={"id": "BIGINT"})


def read_one(server: MariaServer, column: str, value: str, **given: Any) -> Any:
    """What a column of this type reads as, whatever stands in it."""
    database = server.create_database()
    server.execute(
        "SET sql_mode = 'ALLOW_INVALID_DATES'",
        f"CREATE TABLE item (id INT PRIMARY KEY, updated_at DATETIME, v {column})",
        f"INSERT INTO item VALUES (1, '2026-03-01', {value})",
        database=database,
    )
    source = MySQLSource("shop", shop(server, database, {"item": ANY}, **given))
    [row] = fetch_all(source)
    assert row["defect"] is None
    return json.loads(row["payload"], parse_float=str)["v"]


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("BIGINT", "-9223372036854775808", -9223372036854775808),
        ("BIGINT UNSIGNED", "18446744073709551615", 18446744073709551615),
        ("TINYINT(1)", "1", 1),
        ("TINYINT UNSIGNED", "255", 255),
        ("MEDIUMINT", "-8388608", -8388608),
        ("INT(8) UNSIGNED ZEROFILL", "42", 42),
        ("DECIMAL(12,2)", "-0.50", "-0.50"),
        ("DECIMAL(12,2) ZEROFILL", "12.30", "12.30"),
        ("DECIMAL(65,30)", DIGITS, DIGITS),
        ("DOUBLE", "0.1", "0.1"),
        ("DOUBLE", "1.7976931348623157e308", "1.7976931348623157e308"),
        ("DOUBLE", "5", "5.0"),
        ("DOUBLE", "-1e-7", "-1e-7"),
        ("DOUBLE", "1e15", "1000000000000000.0"),
        ("DOUBLE(10,2)", "12.3", "12.3"),
        ("DOUBLE", "NULL", None),
        ("FLOAT", "0.1", "0.10000000149011612"),
        ("BIT(1)", "b'1'", True),
        ("BIT(64)", "18446744073709551615", 18446744073709551615),
        ("BIT(9)", "b'100000001'", 257),
        ("DATE", "'2026-03-01'", "2026-03-01"),
        ("DATE", "'1000-01-01'", "1000-01-01"),
        ("DATE", "'0000-00-00'", None),
        ("DATE", "'2026-02-31'", "2026-02-31"),
        ("DATETIME", "'2026-03-01 12:30:00'", "2026-03-01 12:30:00"),
        ("DATETIME(6)", "'2026-03-01 12:30:00.120000'", "2026-03-01 12:30:00.12"),
        ("DATETIME(3)", "'2026-03-01 12:30:00'", "2026-03-01 12:30:00"),
        ("DATETIME", "'0000-00-00 00:00:00'", None),
        ("TIMESTAMP(6) NULL", "'2026-03-01 12:30:00.5'", "2026-03-01 12:30:00.5+00"),
        ("TIMESTAMP NULL", "'0000-00-00 00:00:00'", None),
        ("TIME", "'-838:59:59'", "-838:59:59"),
        ("TIME(3)", "'10:20:30.100'", "10:20:30.1"),
        ("YEAR", "1999", 1999),
        ("YEAR", "0000", 0),
        ("CHAR(4)", "'ab'", "ab"),
        ("VARCHAR(50)", "'☃ 💶 \"quoted\" \\\\ \\n'", '☃ 💶 "quoted" \\ \n'),
        ("VARCHAR(50) CHARACTER SET latin1", "'Grüße'", "Grüße"),
        ("VARCHAR(9) COLLATE utf8mb4_bin", "''", ""),
        ("TEXT", "REPEAT('€', 21000)", "€" * 21000),
        ("LONGTEXT", "REPEAT('x', 3000000)", "x" * 3_000_000),
        ("ENUM('new', 'o''ld')", "'o''ld'", "o'ld"),
        ("SET('a', 'b', 'c')", "'a,c'", "a,c"),
        ("JSON", """'{"b": 1.10, "a": [1, null]}'""", '{"b": 1.10, "a": [1, null]}'),
        ("BLOB", "X'00FF41'", "\\x00\\xFFA"),
        ("BINARY(4)", "X'00FF'", "\\x00\\xFF\\x00\\x00"),
        ("UUID", "'12345678-1234-1234-1234-123456789abc'", "12345678-1234-1234-1234-123456789abc"),
        ("INET6", "'2001:db8::1'", "2001:db8::1"),
        ("POINT", "POINT(1, 2)", "POINT(1 2)"),
        ("INT AS (1 + 1) VIRTUAL", "DEFAULT", 2),
        ("VARCHAR(5)", "NULL", None),
        ("INT", "NULL", None),
    ],
)
def test_values_keep_what_they_hold(mariadb: MariaServer, column: str, value: str, expected: object) -> None:
    # The server's own zone is half an hour off, and must not show.
    literal = f"CONVERT_TZ({value}, '+00:00', @@time_zone)" if "TIMESTAMP" in column and "0000" not in value else value
    assert read_one(mariadb, column, literal) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-07-01 14:00:00", "2026-07-01 12:00:00"),
        ("2026-01-01 00:30:00.25", "2025-12-31 23:30:00.25"),
        ("0000-00-00 00:00:00", None),
    ],
)
def test_naive_times_in_a_zone_become_utc(mariadb: MariaServer, value: str, expected: str | None) -> None:
    assert read_one(mariadb, "DATETIME(6)", f"'{value}'", time_zone="Europe/Berlin") == expected


def test_keys_are_written_as_duckdb_writes_them(mariadb: MariaServer) -> None:
    database = mariadb.create_database()
    mariadb.execute(
        "SET time_zone = '+00:00'",
        "CREATE TABLE item (name VARCHAR(9), seen TIMESTAMP(6), rate DOUBLE, flag BIT(1), code BINARY(2),"
        " updated_at DATETIME, PRIMARY KEY (name, seen, rate, flag, code))",
        "INSERT INTO item VALUES ('a|b%', '2026-03-01 12:30:00.500000', 1e300, 1, X'00FF', '2026-02-28')",
        database=database,
    )
    declared = ANY.model_copy(update={"key": "name, seen, rate, flag, code"})
    [row] = fetch_all(MySQLSource("shop", shop(mariadb, database, {"item": declared})))
    assert row["record_key"] == "a%7Cb%25|2026-03-01 12:30:00.5+00|1e+300|true|\\x00\\xFF"
    single = ANY.model_copy(update={"key": "seen", "cursor": "seen"})
    [row] = fetch_all(MySQLSource("shop", shop(mariadb, database, {"item": single})))
    assert row["record_key"] == "2026-03-01 12:30:00.5+00"
    assert row["changed_at"].isoformat() == "2026-03-01T12:30:00.500000+00:00"


def test_a_cursor_that_is_no_day_is_none(mariadb: MariaServer) -> None:
    database = mariadb.create_database()
    mariadb.execute(
        "SET sql_mode = 'ALLOW_INVALID_DATES'",
        "CREATE TABLE item (id INT PRIMARY KEY, updated_at DATETIME)",
        "INSERT INTO item VALUES (1, '2026-02-31'), (2, '2026-03-01')",
        database=database,
    )
    rows = fetch_all(MySQLSource("shop", shop(mariadb, database, {"item": ANY})))
    assert [row["changed_at"] and row["changed_at"].isoformat() for row in rows] == [None, "2026-03-01T00:00:00+00:00"]


@pytest.mark.parametrize(
    ("column", "flags"), [("TINYINT(1)", (0, 1)), ("BIT(1)", (0, 1)), ("VARCHAR(5)", ("no", "yes"))]
)
def test_a_flag_that_says_deleted(mariadb: MariaServer, column: str, flags: tuple[object, object]) -> None:
    database = mariadb.create_database()
    mariadb.execute(
        f"CREATE TABLE item (id INT PRIMARY KEY, updated_at DATETIME, gone {column})",
        f"INSERT INTO item VALUES (1, '2026-03-01', {flags[0]!r}), (2, '2026-03-01', {flags[1]!r}), (3, NULL, NULL)",
        database=database,
    )
    declared = ANY.model_copy(update={"deleted_when_set": "", "deleted_flag": "gone"})
    rows = fetch_all(MySQLSource("shop", shop(mariadb, database, {"item": declared})))
    assert [row["is_deleted"] for row in rows] == [False, True, False]


def test_a_table_that_was_altered_meanwhile_is_read_again(
    mariadb: MariaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = mariadb.create_database()
    mariadb.execute("CREATE TABLE item (id INT PRIMARY KEY, updated_at DATETIME, v INT)", database=database)
    source = MySQLSource("shop", shop(mariadb, database, {"item": ANY}))
    [planned] = plan_all(source)
    described = source.table

    def describe_late(*given: Any) -> Table:
        found = described(*given)
        mariadb.execute("ALTER TABLE item MODIFY v VARCHAR(9)", database=database)
        return found

    monkeypatch.setattr(source, "table", describe_late)
    with pytest.raises(SourceUnavailable, match="the table was altered while it was read"):
        list(source.fetch(planned).batches)


def test_a_cursor_in_a_zone_becomes_the_version(mariadb: MariaServer) -> None:
    database = mariadb.create_database()
    mariadb.execute(
        "CREATE TABLE item (id INT PRIMARY KEY, updated_at DATETIME)",
        "INSERT INTO item VALUES (1, '2026-07-01 14:00:00')",
        database=database,
    )
    source = MySQLSource("shop", shop(mariadb, database, {"item": ANY}, time_zone="Europe/Berlin"))
    [row] = fetch_all(source)
    assert row["changed_at"].isoformat() == "2026-07-01T12:00:00+00:00"


def test_zero_dates_are_told_and_rows_without_a_time_are_read(mariadb: MariaServer) -> None:
    database = mariadb.create_database()
    mariadb.execute(
        "SET sql_mode = ''",
        "CREATE TABLE item (id INT PRIMARY KEY, updated_at DATETIME, deleted_at DATETIME NOT NULL)",
        "INSERT INTO item VALUES (1, '0000-00-00', '0000-00-00'), (2, NULL, 0), (3, '2026-03-01', '2026-03-02')",
        database=database,
    )
    source = MySQLSource("shop", shop(mariadb, database, {"item": ANY}))
    [planned] = plan_all(source)
    fetch = source.fetch(planned)
    rows = [row for batch in fetch.batches for row in batch.to_pylist()]
    assert [(row["record_key"], row["changed_at"] is None, row["is_deleted"]) for row in rows] == [
        ("1", True, False),
        ("2", True, False),
        ("3", False, True),
    ]
    assert fetch.report.notes == {"item": "dates 0000-00-00 read as null: 2 in deleted_at, 1 in updated_at"}


EXPORT = pa.schema(
    [
        ("id", pa.int64()),
        ("amount", pa.decimal128(12, 2)),
        ("rate", pa.float64()),
        ("share", pa.float32()),
        ("count", pa.uint64()),
        ("is_on", pa.int8()),
        ("flag", pa.bool_()),
        ("name", pa.string()),
        ("born", pa.date32()),
        ("opens", pa.time64("us")),
        ("seen_at", pa.timestamp("us", tz="UTC")),
        ("updated_at", pa.timestamp("us")),
        ("deleted_at", pa.timestamp("us")),
        ("photo", pa.binary()),
    ]
)
TABLE = """
    CREATE TABLE item (
        id BIGINT PRIMARY KEY, amount DECIMAL(12,2), rate DOUBLE, share FLOAT, count BIGINT UNSIGNED,
        is_on TINYINT(1), flag BIT(1), name VARCHAR(100), born DATE, opens TIME(6), seen_at TIMESTAMP(6) NULL,
        updated_at DATETIME(6), deleted_at DATETIME, photo BLOB
    )
"""
NOW = datetime(2026, 3, 1, 9, 30, 0, 250_000)  # noqa: DTZ001 (a column without zone)
ROWS: list[tuple[Any, ...]] = [
    (1, Decimal("12.30"), 0.1, 0.1, 2**64 - 1, 1, True, 'Ann "A" \\ Ä\n\x01\x7f', date(2000, 2, 29), time(9, 0, 0, 500),
     NOW, NOW, None, b"\x00A\\\xff"),
    (2, Decimal("-0.01"), 1e300, -2.5, 0, 0, False, "", date(1, 1, 1), time(23, 59, 59), NOW.replace(microsecond=0),
     NOW.replace(year=1999), NOW.replace(microsecond=0), b""),
    (3, *[None] * 10, NOW, None, None),
    (-4, Decimal("9999999999.99"), 5.0, 3.0, 7, -1, True, "x" * 80, date(9999, 12, 31), time(0), NOW,
     NOW.replace(microsecond=1), None, b"long enough to be no view of itself"),
]  # fmt: skip
DECLARED = ObjectSettings(
    format="parquet",
    path="item/{date}.parquet",
    key="id",
    cursor="updated_at",
    deleted_when_set="deleted_at",
    fields={field.name: "VARCHAR" for field in EXPORT},
)


def versions(source: FilesSource | MySQLSource) -> list[tuple[Any, ...]]:
    """Key, version, deletion, payload and hash of each row, as they would be landed."""
    con = connect(threads=1)
    found = []
    for planned in plan_all(source):  # type: ignore[arg-type]
        for versions in complete(con, source.fetch(planned).batches):
            found += [tuple(row.values()) for row in versions.drop_columns(["locator"]).to_pylist()]
    return sorted(found, key=str)


def test_a_table_reads_as_its_export_does(mariadb: MariaServer, tmp_path: Path) -> None:
    file = tmp_path / "item/2026-03-01.parquet"
    file.parent.mkdir()
    columns = [pa.array([row[n] for row in ROWS], type=field.type) for n, field in enumerate(EXPORT)]
    pq.write_table(pa.Table.from_arrays(columns, schema=EXPORT), file)
    database = mariadb.create_database()
    con = mariadb.connect(database)
    with con.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute(TABLE)
        cursor.executemany(f"INSERT INTO item VALUES ({', '.join(['%s'] * len(EXPORT))})", ROWS)
    con.close()
    export = FilesSource("shop", SourceSettings(root=str(tmp_path), objects={"item": DECLARED}))
    database_source = MySQLSource("shop", shop(mariadb, database, {"item": DECLARED}))
    found = versions(database_source)
    assert found == versions(export)
    assert len({row[-1] for row in found}) == len(ROWS)


def test_the_report_counts_what_the_server_sent(mariadb: MariaServer) -> None:
    database = mariadb.create_database()
    mariadb.execute(
        "CREATE TABLE item (id INT PRIMARY KEY, updated_at DATETIME, v LONGTEXT)",
        f"INSERT INTO item SELECT seq, '2026-03-01', REPEAT('x', 500) FROM {numbers(30_000)}",
        database=database,
    )
    source = MySQLSource("shop", shop(mariadb, database, {"item": ANY}))
    [planned] = plan_all(source)
    fetch = source.fetch(planned)
    sizes = [batch.num_rows for batch in fetch.batches]
    report: FetchReport = fetch.report
    assert len(sizes) > 2
    assert sum(sizes) == report.rows == report.promised == 30_000
    assert report.drift.new == ("updated_at", "v")
