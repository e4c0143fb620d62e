"""Parquet exports: values keep their text, odd files are refused by name."""

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.errors import SchemaDrift, SourceMalformed
from dataflow.settings import ObjectSettings
from dataflow.sources import Drift, FetchReport, FieldInfo
from dataflow.sources.files import parquet
from dataflow.sources.files.listing import find_files
from dataflow.sources.files.store import Folder
from tests.lib.deliveries import ITEM, deliver_items, parts_of, read_rows

NOON = datetime(2026, 3, 1, 12)  # noqa: DTZ001 (a database's time without zone, which is UTC)


def read(root: Path, file: Path, declared: ObjectSettings = ITEM, report: FetchReport | None = None) -> list[Any]:
    return read_rows(parquet.read_tables(Folder(root), parts_of(root, file), declared, report or FetchReport()))


def item(key: int | None, **fields: Any) -> dict[str, Any]:
    return {"id": key, "price": Decimal("12.30"), "updated_at": NOON, "deleted_at": None} | fields


def test_values_keep_their_text(tmp_path: Path) -> None:
    [row] = read(tmp_path, deliver_items(tmp_path, [item(7)]))
    assert row["payload"] == '{"id":7,"price":"12.30","updated_at":"2026-03-01 12:00:00","deleted_at":null}'
    assert row["record_key"] == "7"
    assert row["changed_at"].isoformat() == "2026-03-01T12:00:00+00:00"
    assert row["locator"] == "item/2026-03-01.parquet#row=1"
    assert row["defect"] is None


def test_keys_deletions_and_missing_times(tmp_path: Path) -> None:
    rows = read(tmp_path, deliver_items(tmp_path, [item(None), item(2, deleted_at=NOON), item(3, updated_at=None)]))
    assert [row["record_key"] for row in rows] == [None, "2", "3"]
    assert [row["is_deleted"] for row in rows] == [False, True, False]
    assert [row["changed_at"] is None for row in rows] == [False, False, True]


def test_a_table_without_rows(tmp_path: Path) -> None:
    report = FetchReport()
    assert read(tmp_path, deliver_items(tmp_path, []), report=report) == []
    assert report.rows_by_part == {"item/2026-03-01.parquet": 0}


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all, but long enough to look at", None])
def test_what_is_no_parquet(tmp_path: Path, content: bytes | None) -> None:
    file = deliver_items(tmp_path, [item(number) for number in range(100)])
    file.write_bytes(file.read_bytes()[:-10] if content is None else content)
    with pytest.raises(SourceMalformed, match=r"item/2026-03-01\.parquet: it is not a readable Parquet file"):
        read(tmp_path, file)


def other_columns(root: Path, **columns: Any) -> Path:
    file = root / "item/2026-03-01.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), file)
    return file


def test_drift_is_found_in_names_and_types(tmp_path: Path) -> None:
    file = other_columns(tmp_path, id=["7"], price=[1], updated_at=[NOON], colour=["red"])
    report = FetchReport()
    [row] = read(tmp_path, file, report=report)
    assert report.drift == Drift(new=("colour",), gone=("deleted_at",), retyped=("id",))
    assert json.loads(row["payload"])["colour"] == "red"


def test_a_table_without_its_cursor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaDrift, match="key or cursor updated_at"):
        read(tmp_path, other_columns(tmp_path, id=[7]))


def test_set_aside_marks_every_row(tmp_path: Path) -> None:
    declared = ITEM.model_copy(update={"on_drift": "set_aside"})
    rows = read(tmp_path, other_columns(tmp_path, id=[7, 8]), declared)
    assert {row["defect"] for row in rows} == {
        "columns differ from the declaration: gone deleted_at, price, updated_at"
    }
    assert [row["record_key"] for row in rows] == ["7", "8"]


def test_a_key_of_two_columns(tmp_path: Path) -> None:
    declared = ITEM.model_copy(update={"key": "id, price"})
    file = other_columns(
        tmp_path, id=["a|b", "a"], price=["c", "b|c"], updated_at=[NOON, NOON], deleted_at=[None, NOON]
    )
    keys = [row["record_key"] for row in read(tmp_path, file, declared)]
    assert keys == ["a%7Cb|c", "a|b%7Cc"]


def test_odd_values_are_still_json(tmp_path: Path) -> None:
    file = other_columns(
        tmp_path,
        id=[1],
        price=[Decimal("0.10")],
        updated_at=[NOON],
        deleted_at=[None],
        blob=[b"\x00\xff"],
        list=[[1, 2]],
    )
    [row] = read(tmp_path, file)
    assert json.loads(row["payload"])["list"] == [1, 2]
    assert json.loads(row["payload"])["blob"] == "\\x00\\xFF"


def test_describe_names_the_types(tmp_path: Path) -> None:
    fields = parquet.describe(Folder(tmp_path), *parts_of(tmp_path, deliver_items(tmp_path, [])), ITEM)
    assert fields[:2] == [FieldInfo("id", "BIGINT"), FieldInfo("price", "DECIMAL(12,2)")]


def test_times_without_a_zone_are_of_the_declared_one(tmp_path: Path) -> None:
    declared = ITEM.model_copy(update={"time_zone": "Asia/Kolkata"})
    [row] = read(tmp_path, deliver_items(tmp_path, [item(7)]), declared)
    assert row["changed_at"].isoformat() == "2026-03-01T06:30:00+00:00"
    # As received: validation moves the field, as it moves that of a CSV.
    assert json.loads(row["payload"])["updated_at"] == "2026-03-01 12:00:00"


def test_folders_are_fields(tmp_path: Path) -> None:
    declared = ITEM.model_copy(update={"fields": {**ITEM.fields, "region": "VARCHAR"}, "key": "region, id"})
    file = tmp_path / "region=a%2Fb" / "item.parquet"
    file.parent.mkdir()
    deliver_items(tmp_path, [item(7)]).rename(file)
    report = FetchReport()
    [row] = read(tmp_path, file, declared, report)
    assert (row["record_key"], json.loads(row["payload"])["region"]) == ("a/b|7", "a/b")
    assert not report.drift


def test_brackets_in_a_path_are_characters(tmp_path: Path) -> None:
    # As a pattern the first path names the second file.
    for number, folder in enumerate(["[eu]", "e"]):
        deliver_items(tmp_path / folder, [item(number)])
    assert [row["record_key"] for row in read(tmp_path, tmp_path / "[eu]/item/2026-03-01.parquet")] == ["0"]
    found = find_files(tmp_path, "[eu]/item/{date}.parquet")
    assert [one.path for one in found] == ["[eu]/item/2026-03-01.parquet"]
