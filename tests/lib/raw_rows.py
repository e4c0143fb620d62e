"""Put rows into raw as landing would, without a source: for tests of the stages after it."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from dataflow.access.lake import lake_location, open_lake
from dataflow.settings import Settings
from dataflow.tables.declared import declared_tables
from dataflow.workspace.position import move_positions
from dataflow.workspace.staging import Run
from dataflow.workspace.workspace import Workspace
from lakehouse import Lake
from lakehouse.table import Table
from tests.lib.blank import lay_blank_lake

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def tables_of(settings: Settings, schemas: Iterable[str] = ()) -> dict[str, Table]:
    """The declared tables of some schemas, by default of all: each table costs a test its milliseconds."""
    wanted = set(schemas)
    return {name: one for name, one in declared_tables(settings).items() if not wanted or one.schema in wanted}


@contextmanager
def opened_lake(settings: Settings, *, schemas: Iterable[str] = ()) -> Iterator[Lake]:
    """Open the lake of these settings with their tables."""
    tables = tables_of(settings, schemas).values()
    is_laid = lay_blank_lake(lake_location(settings), tables)
    with open_lake(settings, purpose="test") as lake:
        if not is_laid:
            lake.ensure(tables)
        yield lake


def raw_row(settings: Settings, name: str, payload: Mapping[str, Any] | str, **given: Any) -> dict[str, Any]:
    """Shape one payload as a row of raw; `given` overrides any of its columns."""
    source, _, object_name = name.partition(".")
    declared = settings.sources[source].objects[object_name]
    text = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
    fields = payload if isinstance(payload, Mapping) else {}
    digest = hashlib.md5(text.encode()).hexdigest()
    cursor = fields.get(declared.cursor)
    gone = bool(declared.deleted_when_set and fields.get(declared.deleted_when_set))
    gone = gone or str(fields.get(declared.deleted_flag, "")).lower() == "true"
    row = {
        "_run_id": "test",
        "_source": source,
        "_object": object_name,
        "_record_key": str(fields.get(declared.key) or digest),
        "_extracted_at": NOW,
        "_row_hash": digest,
        "_changed_at": datetime.fromisoformat(cursor).replace(tzinfo=UTC) if cursor else None,
        "_is_deleted": gone,
        "_locator": "test:1",
        "_defect": None,
        "payload": text,
    }
    return row | given


def land_rows(
    lake: Lake, settings: Settings, name: str, payloads: Iterable[Mapping[str, Any] | str], **given: Any
) -> None:
    """Append payloads to the raw table of `source.object`, in one transaction."""
    rows = [raw_row(settings, name, payload, **given) for payload in payloads]
    table = pa.Table.from_pylist(rows)
    target = declared_tables(settings)["raw." + name.replace(".", "_", 1)]

    def append(con: duckdb.DuckDBPyConnection) -> None:
        con.register("landed_rows", table)
        con.execute(f"INSERT INTO lake.{target.sql_name} BY NAME SELECT * FROM landed_rows")
        con.unregister("landed_rows")

    lake.transact(append, author="test", run_id="test", message="land")


@contextmanager
def workspace(
    lake: Lake, settings: Settings, folder: Path, *, run_id: str = "run-1", schemas: Iterable[str] = ()
) -> Iterator[Workspace]:
    """Open a workspace over the lake, at a fixed clock."""
    run = Run(run_id, "publish", NOW)
    with Workspace(lake, run, tables=tables_of(settings, schemas)) as ws:
        yield ws


def commit(ws: Workspace) -> None:
    """Write what was staged, and the positions of the objects that were validated: the next run starts after them."""

    def write(con: duckdb.DuckDBPyConnection) -> None:
        ws.write(con)
        move_positions(con, ws.validated, run_id=ws.run.run_id, moved_at=ws.run.now)

    ws.lake.transact(write, author="test", run_id=ws.run.run_id, message="publish")
