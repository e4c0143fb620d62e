"""Rows for declared tables: say only the columns that matter, the rest is null or an empty value of its type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from dataflow.workspace.relations import relation
from dataflow.workspace.staging import Run, Staged
from dataflow.workspace.workspace import Workspace
from lakehouse import Lake, LakeLocation
from lakehouse.table import Table
from tests.lib.blank import default_tables, lay_blank_lake

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

_EMPTY: Mapping[str, Any] = {
    "VARCHAR": "",
    "BIGINT": 0,
    "DOUBLE": 0.0,
    "BOOLEAN": False,
    "VARCHAR[]": [],
    "TIMESTAMPTZ": NOW,
    "DATE": date(2026, 3, 1),
    "DECIMAL(20,4)": 0,
}


@contextmanager
def small_lake(folder: Path) -> Iterator[Lake]:
    """Open a lake in `folder` with every table of the default configuration."""
    location = LakeLocation(
        catalogue=folder / "lake" / "catalogue.ducklake", data=folder / "lake" / "data", published=folder / "published"
    )
    is_laid = lay_blank_lake(location, default_tables().values())
    with Lake.open(location, purpose="test", threads=2) as lake:
        if not is_laid:
            lake.ensure(default_tables().values())
        yield lake


@contextmanager
def workspace(lake: Lake, folder: Path, *, now: datetime = NOW, run_id: str = "run") -> Iterator[Workspace]:
    """Open a workspace of one run at `now`."""
    run = Run(run_id=run_id, kind="test", now=now)
    with Workspace(lake, run, tables=default_tables()) as ws:
        yield ws


def stage_rows(ws: Workspace, table: Table, rows: Iterable[Mapping[str, Any]], *, scope: str | None = None) -> Staged:
    """Stage rows given as mappings, by default as the whole table."""
    given = arrow_rows(table, rows)
    ws.con.register("given_rows", given)
    ws.con.execute("CREATE OR REPLACE TEMP TABLE given_copy AS SELECT * FROM given_rows")
    ws.con.unregister("given_rows")
    return ws.stage(table, "SELECT * FROM given_copy", scope=scope)


def arrow_rows(table: Table, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Complete rows to all columns of a table."""
    schema = relation(table).schema().to_pyarrow()
    complete = [{**_defaults(table), **row} for row in rows]
    unknown = {name for row in complete for name in row} - set(table.column_names)
    if unknown:
        raise KeyError(f"{table.full_name} has no columns {sorted(unknown)}")
    return pa.Table.from_pylist(complete, schema=schema)


def read_rows(con: Any, query: str) -> list[dict[str, Any]]:
    """Run a query; rows as mappings."""
    cursor = con.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _defaults(table: Table) -> dict[str, Any]:
    return {column.name: None if column.nullable else _EMPTY[column.type] for column in table.columns}
