"""Write frames in the formats of the sources: JSON pages, typed Parquet, irregular CSV."""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.sample.arrays import Frame, Text
from dataflow.sample.clock import Day
from dataflow.sample.mysql import SCHEMAS
from dataflow.sample.objects import OBJECTS, Key
from dataflow.sample.tickets import HEADER

# Added by drift: a custom field of the CRM and a column of the help desk, filled for some records.
LOYALTY = ("Loyalty_Tier__c", ("Bronze", "Silver", "Gold", None))
SATISFACTION = ("satisfaction_score", ("5", "4", "3", "", "", ""))
Extra = tuple[str, tuple[str | None, ...]]
# The REST API's default page size.
_PAGE_ROWS = 2000
_API = "/services/data/v62.0"


class Delivery(Protocol):
    """Destination of one object's rows of one day, written block by block."""

    def append(self, frame: Frame) -> None: ...

    def close(self) -> None: ...


def extra_value(extra: Extra, key: str | None) -> str | None:
    """Return a record's value of a new field, always the same one for its key."""
    return extra[1][zlib.crc32((key or "").encode()) % len(extra[1])]


def api_times(column: Text) -> list[str]:
    """Return times in the format of the REST API: 2026-03-01T09:30:00.000+0000."""
    return [f"{timestamp}.000+0000" for timestamp in np.datetime_as_string(column, unit="s").tolist()]


class SalesforcePages:
    """REST query responses of at most 2000 records a page; each page states `total` rows."""

    def __init__(self, folder: Path, name: str, total: int, *, extra: Extra | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._extra = extra
        self._folder, self._name, self._total = folder, name, total
        self._rows: list[dict[str, Any]] = []
        self._page = 0

    def append(self, frame: Frame) -> None:
        columns = [name for name in frame if not name.startswith("_")]
        values: list[list[Any]] = [
            api_times(frame[name]) if frame[name].dtype.kind == "M" else frame[name].tolist() for name in columns
        ]
        for row in zip(*values, strict=True):
            record = dict(zip(columns, row, strict=True))
            url = f"{_API}/sobjects/{self._name}/{record['Id']}"
            if self._extra:
                record[self._extra[0]] = extra_value(self._extra, record["Id"])
            self._rows.append({"attributes": {"type": self._name, "url": url}, **record})
            if len(self._rows) == _PAGE_ROWS:
                self._flush()

    def _flush(self) -> None:
        self._page += 1
        sent = (self._page - 1) * _PAGE_ROWS + len(self._rows)
        done = sent >= self._total
        response: dict[str, Any] = {"totalSize": self._total, "done": done}
        if not done:
            response["nextRecordsUrl"] = f"{_API}/query/01gQy000000{self._name[:3]}AAB-{sent}"
        response["records"] = self._rows
        path = self._folder / f"page-{self._page:04d}.json"
        path.write_text(json.dumps(response, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
        self._rows = []

    def close(self) -> None:
        if self._rows or not self._page:
            self._flush()


def write_deleted(folder: Path, ids: Iterable[str], timestamps: Text, covered: date) -> None:
    """Write a getDeleted response whose window is the day."""
    folder.mkdir(parents=True, exist_ok=True)
    response = {
        "deletedRecords": [
            {"id": each, "deletedDate": timestamp} for each, timestamp in zip(ids, api_times(timestamps), strict=True)
        ],
        "earliestDateAvailable": "2025-12-01T00:00:00.000+0000",
        "latestDateCovered": f"{covered}T23:59:00.000+0000",
    }
    (folder / "deleted.json").write_text(json.dumps(response), encoding="utf-8")


def _parquet_column(column: Text, kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(column.astype("datetime64[us]"), type=kind)
    if pa.types.is_decimal(kind):
        return pa.array([None if cents is None else Decimal(cents).scaleb(-2) for cents in column.tolist()], type=kind)
    return pa.array(column.tolist(), type=kind)


class MysqlTable:
    """One Parquet file: the table's rows changed that day, with the types of the database."""

    def __init__(self, path: Path, table: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._schema = SCHEMAS[table]
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def append(self, frame: Frame) -> None:
        columns = [_parquet_column(frame[field.name], field.type) for field in self._schema]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


@dataclass(frozen=True)
class Dialect:
    """The export format of one help-desk instance: encoding, delimiter, quoting, line end."""

    encoding: str
    delimiter: str
    quoting: Literal[0, 1]
    line_end: str


DIALECTS = (
    Dialect("utf-8", ",", csv.QUOTE_MINIMAL, "\n"),
    Dialect("utf-8-sig", ";", csv.QUOTE_ALL, "\r\n"),
    Dialect("utf-16", "\t", csv.QUOTE_MINIMAL, "\r\n"),
    Dialect("windows-1252", ";", csv.QUOTE_MINIMAL, "\r\n"),
)
_NARROW = len(DIALECTS) - 1


def _fits_windows(row: tuple[Any, ...]) -> bool:
    try:
        "".join(value for value in row if value).encode("windows-1252")
    except UnicodeEncodeError:
        return False
    return True


class TicketFiles:
    """CSV files, one per dialect and block; rows that an encoding cannot represent go to another file."""

    def __init__(self, folder: Path, *, extra: Extra | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._extra = folder, extra
        self._count = 0

    def append(self, frame: Frame) -> None:
        names: tuple[str, ...] = HEADER
        columns = [_csv_times(frame[name]) if name.endswith("_at") else frame[name].tolist() for name in names]
        if self._extra:
            names = (*HEADER, self._extra[0])
            columns.append([extra_value(self._extra, value) for value in frame["ticket_id"].tolist()])
        rows = list(zip(*columns, strict=True))
        parts: list[list[tuple[Any, ...]]] = [[] for _ in DIALECTS]
        for at, (row, ragged) in enumerate(zip(rows, frame["_ragged"].tolist(), strict=True)):
            part = at * len(DIALECTS) // len(rows)
            if part == _NARROW and not _fits_windows(row):
                part = at % _NARROW
            parts[part].append(row[:-1] if ragged < 0 else (*row, "1") if ragged > 0 else row)
        for dialect, part_rows in zip(DIALECTS, parts, strict=True):
            if part_rows:
                self._write(names, dialect, part_rows)

    def _write(self, names: tuple[str, ...], dialect: Dialect, rows: list[tuple[Any, ...]]) -> None:
        self._count += 1
        path = self._folder / f"tickets-{self._count}.csv"
        with path.open("w", encoding=dialect.encoding, newline="") as file:
            writer = csv.writer(
                file, delimiter=dialect.delimiter, quoting=dialect.quoting, lineterminator=dialect.line_end
            )
            writer.writerow(names)
            writer.writerows(rows)

    def close(self) -> None:
        """Do nothing: every file is written and closed by `append`."""


def _csv_times(column: Text) -> list[str]:
    """Return times as "2026-01-01 09:30:00", empty where unknown; text stays as it is."""
    if column.dtype.kind == "M":
        timestamps: list[str] = np.datetime_as_string(column.astype("datetime64[s]"), unit="s").tolist()
        return ["" if timestamp == "NaT" else timestamp.replace("T", " ") for timestamp in timestamps]
    return [_csv_time(value) for value in column.tolist()]


def _csv_time(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    timestamp = str(np.datetime64(value, "s"))
    return "" if timestamp == "NaT" else timestamp.replace("T", " ")


Deliveries = dict[Key, Delivery]


def object_folder(root: Path, key: Key, day: Day) -> Path:
    return root / OBJECTS[key].folder / str(day.date)


def open_deliveries(root: Path, day: Day, quota: dict[Key, int], *, drift: bool) -> Deliveries:
    """Open the destination of each object's rows of a day; `drift` adds one field and one CSV column."""
    out: Deliveries = {}
    for key, each in OBJECTS.items():
        folder = object_folder(root, key, day)
        if each.source == "salesforce":
            extra = LOYALTY if drift and each.name == "contact" else None
            out[key] = SalesforcePages(folder, each.name.title(), quota[key], extra=extra)
        elif each.source == "mysql":
            out[key] = MysqlTable(folder.with_suffix(".parquet"), each.name)
        else:
            out[key] = TicketFiles(folder, extra=SATISFACTION if drift else None)
    return out
