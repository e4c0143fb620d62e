"""Later days: new versions, repeats, late and stale rows, deletions, drift."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dataflow.sample.objects import OBJECTS, Key
from tests.lib.sample import SALESFORCE, delivered, pages

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")
KEYS = list(OBJECTS)


def _counts(root: Path, day: int, key: Key) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "truth/counts.json").read_text())["days"][day]["objects"]["/".join(key)]
    return found


def _keys(root: Path, key: Key, day: str) -> list[str]:
    return [str(row[OBJECTS[key].key]) for row in delivered(root, *key, day) if row[OBJECTS[key].key]]


@pytest.mark.parametrize("key", KEYS)
def test_a_day_mixes_new_and_old_records(sample: Path, key: Key) -> None:
    before = set(_keys(sample, key, DAYS[0]))
    after = _keys(sample, key, DAYS[1])
    old = sum(record in before for record in after)
    said = _counts(sample, 1, key)
    missing = said["defects"].get("missing_key", 0)
    assert abs(old - (said["updated"] + said["repeated"] + said["stale"])) <= missing + 6
    assert said["updated"] > 0 < said["new"]


@pytest.mark.parametrize("key", KEYS)
def test_repeats_are_the_same_row_again(sample: Path, key: Key) -> None:
    before = {json.dumps(row, default=str, sort_keys=True) for row in delivered(sample, *key, DAYS[0])}
    after = [json.dumps(row, default=str, sort_keys=True) for row in delivered(sample, *key, DAYS[1])]
    said = _counts(sample, 1, key)
    assert sum(row in before for row in after) == said["repeated"] + said["stale"] > 0


@pytest.mark.parametrize("key", KEYS)
def test_late_rows_carry_an_earlier_cursor_than_the_day(sample: Path, key: Key) -> None:
    cursor = OBJECTS[key].cursor
    late = 0
    for row in delivered(sample, *key, DAYS[1]):
        timestamp = str(row.get(cursor, DAYS[1]))[:10]
        assert timestamp <= DAYS[1]
        late += timestamp < DAYS[1]
    said = _counts(sample, 1, key)
    # repeats and stale rows are old by nature; a ragged row may have lost its cursor
    assert late >= said["late"] > 0


def test_deleted_records_are_told_apart_and_stay_away(sample: Path) -> None:
    gone: set[str] = set()
    for day_number, day in enumerate(DAYS):
        for name, api_name in SALESFORCE.items():
            response = json.loads((sample / "salesforce" / api_name / day / "deleted.json").read_text())
            ids = [each["id"] for each in response["deletedRecords"]]
            assert len(ids) == _counts(sample, day_number, ("salesforce", name))["deleted"]
            assert not gone & set(_keys(sample, ("salesforce", name), day))
            assert all(each["deletedDate"].startswith(day) for each in response["deletedRecords"])
            gone |= set(ids)
    assert gone


def test_soft_deleted_rows_say_when(sample: Path) -> None:
    for table in ("customers", "addresses", "orders", "order_items"):
        rows = [row for row in delivered(sample, "mysql", table, DAYS[1]) if row["deleted_at"]]
        assert len(rows) >= _counts(sample, 1, ("mysql", table))["soft_deleted"] - 2
        assert all(row["deleted_at"] <= row["updated_at"] for row in rows)


def test_soft_deletion_happens(sample: Path) -> None:
    tables = ("customers", "addresses", "orders", "order_items")
    assert sum(_counts(sample, day, ("mysql", table))["soft_deleted"] for day in (1, 2) for table in tables) > 0


def test_the_third_day_brings_a_new_field_and_a_new_column(sample: Path) -> None:
    assert all("Loyalty_Tier__c" not in row for row in delivered(sample, "salesforce", "contact", DAYS[1]))
    assert all("Loyalty_Tier__c" in row for row in delivered(sample, "salesforce", "contact", DAYS[2]))
    assert "Loyalty_Tier__c" not in pages(sample, "Account", DAYS[2])[0]["records"][0]
    assert "satisfaction_score" not in delivered(sample, "tickets", "ticket", DAYS[1])[0]
    assert any(row.get("satisfaction_score") for row in delivered(sample, "tickets", "ticket", DAYS[2]))


def test_orders_move_forward(sample: Path) -> None:
    rank = {"placed": 0, "paid": 1, "shipped": 2, "delivered": 3, "cancelled": 4, "refunded": 5}
    broken = {row["record_key"] for row in pq.read_table(sample / "truth/defects.parquet").to_pylist()}
    before = {row["id"]: row["status"] for row in delivered(sample, "mysql", "orders", DAYS[0])}
    moved = 0
    for row in delivered(sample, "mysql", "orders", DAYS[1]):
        if row["id"] in before and str(row["id"]) not in broken:
            assert rank[row["status"]] >= rank[before[row["id"]]]
            moved += row["status"] != before[row["id"]]
    assert moved > 10


def test_people_move_and_change_their_names(sample: Path) -> None:
    before = {row["Id"]: row for row in delivered(sample, "salesforce", "contact", DAYS[0])}
    after = [row for row in delivered(sample, "salesforce", "contact", DAYS[1]) if row["Id"] in before]
    for field in ("LastName", "MailingStreet", "MobilePhone"):
        assert any(row[field] != before[row["Id"]][field] for row in after)
