"""The truth covers each valid record that describes a customer, and names each broken row."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dataflow.sample.defects import BREAKERS
from dataflow.sample.objects import OBJECTS, Key
from tests.lib.sample import delivered

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")
CUSTOMERS = [key for key, each in OBJECTS.items() if each.describes_customer]
BREAKAGES = [(key, defect) for key, kinds in BREAKERS.items() for defect in kinds]


def _truth(root: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(root / "truth/truth.parquet").to_pylist()
    return rows


def _defects(root: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(root / "truth/defects.parquet").to_pylist()
    return rows


@pytest.mark.parametrize("key", CUSTOMERS)
def test_each_valid_record_is_known_from_its_first_day(sample: Path, key: Key) -> None:
    said = {row["record_key"]: str(row["day"]) for row in _truth(sample) if (row["source"], row["object"]) == key}
    broken = Counter(
        (row["record_key"], str(row["day"])) for row in _defects(sample) if (row["source"], row["object"]) == key
    )
    first: dict[str, str] = {}
    for day in DAYS:
        times = Counter(
            str(row[OBJECTS[key].key])
            for row in delivered(sample, *key, day)
            if row[OBJECTS[key].key] not in (None, "")
        )
        for record, count in times.items():
            if count > broken[record, day]:
                first.setdefault(record, day)
    assert said == first


def test_a_record_is_one_entity_of_one_type(sample: Path) -> None:
    rows = _truth(sample)
    assert len({(row["source"], row["object"], row["record_key"]) for row in rows}) == len(rows)
    types: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        types[row["entity_id"]].add(row["entity_type"])
    assert all(len(found) == 1 for found in types.values())
    assert {row["entity_type"] for row in rows if row["object"] == "account"} == {"company"}
    assert {row["entity_type"] for row in rows if row["object"] in ("contact", "lead", "ticket")} == {"person"}
    assert {row["entity_type"] for row in rows if row["object"] == "customers"} == {"company", "person"}


def test_entities_are_seen_about_twice(sample: Path) -> None:
    rows = [row for row in _truth(sample) if row["object"] != "ticket" and str(row["day"]) == DAYS[0]]
    per_entity = len(rows) / len({row["entity_id"] for row in rows})
    assert 1.7 < per_entity < 2.7


@pytest.mark.parametrize(("key", "defect"), BREAKAGES)
def test_each_kind_of_broken_row_is_delivered(sample: Path, key: Key, defect: str) -> None:
    days = [
        str(row["day"]) for row in _defects(sample) if (row["source"], row["object"], row["defect"]) == (*key, defect)
    ]
    assert days, "recorded at least once"


def _rows_with(root: Path, key: Key, defect: str) -> list[dict[str, Any]]:
    """The delivered rows that the truth calls broken in this way; the last one of a record and day."""
    found = []
    for said in _defects(root):
        if (said["source"], said["object"], said["defect"]) == (*key, defect):
            rows = delivered(root, *key, str(said["day"]))
            found += [row for row in rows if str(row[OBJECTS[key].key]) == said["record_key"]]
    return found


def test_negative_amounts_are_negative(sample: Path) -> None:
    assert any(row["total_amount"] < 0 for row in _rows_with(sample, ("mysql", "orders"), "negative_amount"))
    assert any(row["quantity"] < 0 for row in _rows_with(sample, ("mysql", "order_items"), "negative_quantity"))


def test_dangling_orders_name_no_customer(sample: Path) -> None:
    known = {row["id"] for day in DAYS for row in delivered(sample, "mysql", "customers", day)}
    assert any(row["customer_id"] not in known for row in _rows_with(sample, ("mysql", "orders"), "dangling_reference"))


def test_valid_orders_name_a_valid_customer(sample: Path) -> None:
    broken = {(row["object"], row["record_key"], str(row["day"])) for row in _defects(sample)}
    valid: set[int] = set()
    for day in DAYS:
        valid |= {
            row["id"] for row in delivered(sample, "mysql", "customers", day)
            if row["id"] and ("customers", str(row["id"]), day) not in broken
        }  # fmt: skip
        for order in delivered(sample, "mysql", "orders", day):
            if ("orders", str(order["id"]), day) not in broken:
                assert order["customer_id"] in valid


def test_closed_before_opened_tickets_are(sample: Path) -> None:
    rows = _rows_with(sample, ("tickets", "ticket"), "closed_before_opened")
    assert any(row["closed_at"] < row["opened_at"] for row in rows)


def test_only_broken_tickets_close_too_early(sample: Path) -> None:
    broken = {row["record_key"] for row in _defects(sample) if row["object"] == "ticket"} | {""}
    for day in DAYS:
        for row in delivered(sample, "tickets", "ticket", day):
            if row["ticket_id"] not in broken and row["closed_at"]:
                assert row["opened_at"] <= row["closed_at"]
