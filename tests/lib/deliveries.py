"""A small company's deliveries: declared objects, and files in the shape its three systems give."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.access.lake import lake_location, open_lake
from dataflow.land import commit_windows, fetch_window, plan_windows
from dataflow.settings import ObjectSettings, Settings, SourceSettings
from dataflow.sources import FetchReport, Part, PlannedWindow, Window
from dataflow.tables.declared import declared_tables
from dataflow.tables.ops import COMPLETENESS, GAP, LANDED_FILE, WATERMARK
from dataflow.workspace.report import StepReport
from dataflow.workspace.staging import Run
from lakehouse import Lake
from tests.lib.blank import lay_blank_lake

DAY = "2026-03-01"
PERSON = ObjectSettings(
    format="rest-json",
    path="Person/{date}/page-*.json",
    deletions="Person/{date}/deleted.json",
    key="Id",
    cursor="SystemModstamp",
    deleted_flag="IsDeleted",
    fields={"Id": "VARCHAR", "Name": "VARCHAR", "SystemModstamp": "TIMESTAMPTZ", "IsDeleted": "BOOLEAN"},
)
ITEM = ObjectSettings(
    format="parquet",
    path="item/{date}.parquet",
    key="id",
    cursor="updated_at",
    deleted_when_set="deleted_at",
    fields={"id": "BIGINT", "price": "DECIMAL(12,2)", "updated_at": "TIMESTAMP", "deleted_at": "TIMESTAMP"},
)
TICKET = ObjectSettings(
    format="csv",
    path="{date}/*.csv",
    key="ticket_id",
    cursor="updated_at",
    fields={"ticket_id": "VARCHAR", "subject": "VARCHAR", "updated_at": "TIMESTAMPTZ"},
)
TICKET_HEADER = ("ticket_id", "subject", "updated_at")


def company(home: Path, **changed: ObjectSettings) -> Settings:
    """Settings of a company with one object of each format; `changed` replaces an object's declaration."""
    objects = {"person": PERSON, "item": ITEM, "ticket": TICKET} | changed
    sources = {
        name: SourceSettings(root=str(home / name), objects={object_name: objects[object_name]})
        for name, object_name in (("crm", "person"), ("shop", "item"), ("desk", "ticket"))
    }
    return Settings(
        home=home,
        landing=str(home / "landing"),
        sources=sources,
        lake={
            "catalogue": str(home / "lake" / "catalogue.ducklake"),
            "data": str(home / "lake" / "data"),
            "published": str(home / "lake" / "published"),
            "threads": 1,
        },
    )


def run(number: int = 1) -> Run:
    return Run(f"run-{number}", "daily", datetime(2026, 3, 10, number, tzinfo=UTC))


def person(key: str, *, at: str = f"{DAY}T09:30:00.000+0000", **fields: Any) -> dict[str, Any]:
    """One record as the API returns it."""
    attributes = {"type": "Person", "url": f"/services/data/v62.0/sobjects/Person/{key}"}
    return {"attributes": attributes, "Id": key, "Name": "Ann", "SystemModstamp": at, "IsDeleted": False} | fields


def deliver_pages(root: Path, *pages: Sequence[Any], day: str = DAY, promised: int | None = None) -> list[Path]:
    """Write the pages of one query."""
    total = sum(len(page) for page in pages) if promised is None else promised
    files = []
    for number, records in enumerate(pages, start=1):
        done = number == len(pages)
        more = {} if done else {"nextRecordsUrl": f"/services/data/v62.0/query/01g-{number}"}
        response = {"totalSize": total, "done": done, **more, "records": list(records)}
        files.append(_text(root / f"Person/{day}/page-{number:04}.json", json.dumps(response)))
    return files


def deliver_deleted(root: Path, *entries: Mapping[str, Any], day: str = DAY) -> Path:
    """Write a getDeleted response."""
    response = {"deletedRecords": list(entries), "earliestDateAvailable": "x", "latestDateCovered": "y"}
    return _text(root / f"Person/{day}/deleted.json", json.dumps(response))


def deliver_items(root: Path, rows: Iterable[Mapping[str, Any]], *, day: str = DAY) -> Path:
    """Write rows of the item table, with the database's types."""
    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("price", pa.decimal128(12, 2)),
            ("updated_at", pa.timestamp("us")),
            ("deleted_at", pa.timestamp("us")),
        ]
    )
    file = root / f"item/{day}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), file)
    return file


def csv_text(rows: Iterable[Sequence[str]], **dialect: Any) -> str:
    """Write rows as Python's own csv module does."""
    stream = io.StringIO(newline="")
    csv.writer(stream, **dialect).writerows(rows)
    return stream.getvalue()


def deliver_csv(root: Path, text: str | bytes, *, day: str = DAY, name: str = "a", encoding: str = "utf-8") -> Path:
    """Write one export."""
    file = root / f"{day}/{name}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return file


def left_alone(file: Path) -> Path:
    """Let a file look as if it were written an hour ago: nothing is to be added to it."""
    written = time.time() - 3600
    os.utime(file, (written, written))
    return file


def _text(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


@contextmanager
def opened(settings: Settings) -> Iterator[Lake]:
    """Open the company's lake, with the tables that landing writes: each further one costs every test."""
    raw = [table for table in declared_tables(settings).values() if table.schema == "raw"]
    tables = [*raw, WATERMARK, LANDED_FILE, COMPLETENESS, GAP]
    is_laid = lay_blank_lake(lake_location(settings), tables)
    with open_lake(settings, purpose="test") as lake:
        if not is_laid:
            lake.ensure(tables)
        yield lake


def land(lake: Lake, settings: Settings, *, number: int = 1, **chosen: Any) -> list[StepReport]:
    """Plan, fetch and commit everything new, as a run does."""
    windows = [fetch_window(planned, settings, run(number)) for planned in plan_windows(lake, settings, **chosen)]
    return commit_windows(lake, windows, run(number))


def part(path: str = "a") -> Part:
    return Part(path, "0" * 32, 1, datetime(2026, 3, 1, tzinfo=UTC))


def parts_of(root: Path, *files: Path) -> list[Part]:
    """Parts as planning would make them, unread."""
    return [Part(file.relative_to(root).as_posix(), "", 0, datetime(2026, 3, 1, tzinfo=UTC)) for file in files]


def read_rows(batches: Iterable[pa.RecordBatch]) -> list[dict[str, Any]]:
    """Fetched rows, payload parsed, in order."""
    return [row for batch in batches for row in batch.to_pylist()]


def planned_day(source: str, object_name: str, *parts: Part) -> PlannedWindow:
    return PlannedWindow(source, object_name, Window.of_day(datetime(2026, 3, 1, tzinfo=UTC).date()), parts, "f" * 32)


def fresh_report() -> FetchReport:
    return FetchReport()


def raw_rows(lake: Lake, name: str, columns: str = "_record_key, _is_deleted, _defect, payload") -> list[Any]:
    """Rows of a raw table, in order of key and version."""
    order = "_record_key, _changed_at, _row_hash"
    return lake.con.execute(f"SELECT {columns} FROM lake.raw.{name} ORDER BY {order}").fetchall()
