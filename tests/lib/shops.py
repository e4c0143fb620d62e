"""A shop's database on a real server, and the settings by which it is read and landed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dataflow.settings import MySQLSettings, ObjectSettings, Settings, SourceSettings
from dataflow.sources import ObjectState, PlannedWindow
from dataflow.sources.mysql import MySQLSource
from tests.lib.deliveries import ITEM, read_rows
from tests.lib.servers.mariadb import MariaServer

ITEM_TABLE = """
    CREATE TABLE item (
        id BIGINT PRIMARY KEY, price DECIMAL(12,2), updated_at DATETIME(6), deleted_at DATETIME(6), KEY (updated_at)
    )
"""


def mysql_settings(server: MariaServer, database: str, **given: Any) -> MySQLSettings:
    """How the reader of the tests reaches a database."""
    reached = {
        "host": server.host,
        "port": server.port,
        "user": server.reader,
        "password": server.password,
        "database": database,
        "ca_file": str(server.ca),
    }
    return MySQLSettings(**(reached | given))


def shop(
    server: MariaServer,
    database: str,
    objects: dict[str, ObjectSettings] | None = None,
    *,
    lookback_seconds: float = 600.0,
    **given: Any,
) -> SourceSettings:
    """The source `shop`; `given` are further words of its section mysql."""
    return SourceSettings(
        adapter="mysql",
        lookback_seconds=lookback_seconds,
        mysql=mysql_settings(server, database, **given),
        objects=objects or {"item": ITEM},
    )


def company_with(home: Path, source: SourceSettings) -> Settings:
    """Settings of a company with the source `shop` and nothing else."""
    return Settings(
        home=home,
        landing=str(home / "landing"),
        sources={"shop": source},
        lake={
            "catalogue": str(home / "lake" / "catalogue.ducklake"),
            "data": str(home / "lake" / "data"),
            "published": str(home / "lake" / "published"),
            "threads": 1,
        },
    )


def plan_all(source: MySQLSource, object_name: str = "item") -> list[PlannedWindow]:
    """Plan as for a lake that knows nothing."""
    return source.plan(object_name, ObjectState())


def fetch_all(source: MySQLSource, object_name: str = "item") -> list[dict[str, Any]]:
    """Every row of an object, in order of key."""
    rows = [row for planned in plan_all(source, object_name) for row in read_rows(source.fetch(planned).batches)]
    return sorted(rows, key=lambda row: str(row["record_key"]))


def add_items(server: MariaServer, database: str, items: Iterable[tuple[int, str, str]]) -> None:
    """Insert items: key, price, time of change."""
    values = ", ".join(f"({key}, {price}, '{at}', NULL)" for key, price, at in items)
    server.execute(f"INSERT INTO item VALUES {values}", database=database)
