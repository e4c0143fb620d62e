"""What is delivered has the shapes that the API, the database export and the help desk give."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.sample.mysql import SCHEMAS
from tests.lib.sample import SALESFORCE, csv_rows, csv_text, delivered, pages

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")


@pytest.mark.parametrize("name", SALESFORCE.values())
@pytest.mark.parametrize("day", DAYS)
def test_pages_are_query_responses(sample: Path, name: str, day: str) -> None:
    responses = pages(sample, name, day)
    rows = [record for response in responses for record in response["records"]]
    assert {response["totalSize"] for response in responses} == {len(rows)}
    assert [response["done"] for response in responses] == [False] * (len(responses) - 1) + [True]
    assert all(("nextRecordsUrl" in response) != response["done"] for response in responses)
    assert all(len(response["records"]) <= 2000 for response in responses)
    for record in rows:
        assert record["attributes"]["type"] == name
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\+0000", record["SystemModstamp"])


def _checksum(code: str) -> str:
    """Salesforce's three letters that guard the case of an Id, spelled out."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    parts = [code[at : at + 5] for at in (0, 5, 10)]
    return "".join(letters[sum(1 << at for at, letter in enumerate(part) if letter.isupper())] for part in parts)


@pytest.mark.parametrize(("name", "prefix"), [("account", "001"), ("contact", "003"), ("lead", "00Q")])
def test_ids_are_18_characters_with_prefix_and_checksum(sample: Path, name: str, prefix: str) -> None:
    ids = [row["Id"] for row in delivered(sample, "salesforce", name, DAYS[0]) if row["Id"]]
    assert len(set(ids)) == len(ids)
    for code in ids[:50]:
        assert len(code) == 18
        assert code.startswith(prefix)
        assert code[15:] == _checksum(code[:15])


def test_contacts_point_at_accounts_that_arrived(sample: Path) -> None:
    known: set[str] = set()
    for day in DAYS:
        known |= {row["Id"] for row in delivered(sample, "salesforce", "account", day)}
        wanted = {row["AccountId"] for row in delivered(sample, "salesforce", "contact", day)} - {None}
        assert wanted <= known


@pytest.mark.parametrize("table", SCHEMAS)
def test_tables_keep_the_types_of_the_database(sample: Path, table: str) -> None:
    schema = pq.read_schema(sample / f"mysql/{table}/{DAYS[0]}.parquet")
    assert schema.equals(SCHEMAS[table])
    assert schema.field("id").type == pa.int64()
    assert schema.field("updated_at").type == pa.timestamp("us")


def test_an_order_costs_what_its_lines_cost(sample: Path) -> None:
    broken_lines = _broken_keys(sample, "order_items")
    lines: dict[int, Decimal] = defaultdict(Decimal)
    for item in delivered(sample, "mysql", "order_items", DAYS[0]):
        if str(item["id"]) not in broken_lines:
            lines[item["order_id"]] += item["quantity"] * item["unit_price"]
    orders = {order["id"]: order["total_amount"] for order in delivered(sample, "mysql", "orders", DAYS[0])}
    wrong = [order for order, total in lines.items() if orders[order] != total]
    # an order with a broken line lacks that line
    assert len(wrong) <= len(broken_lines)
    assert len(lines) > 100


def _broken_keys(root: Path, name: str) -> set[str]:
    rows = pq.read_table(root / "truth/defects.parquet").to_pylist()
    return {row["record_key"] for row in rows if row["object"] == name}


def test_ticket_files_come_in_several_encodings_and_dialects(sample: Path) -> None:
    files = sorted((sample / "tickets" / DAYS[0]).glob("*.csv"))
    assert {csv_text(path)[1] for path in files} == {"utf-8", "utf-8-sig", "utf-16", "windows-1252"}
    first_lines = [csv_text(path)[0].split("\n", 1)[0] for path in files]
    assert {max(",;\t", key=line.count) for line in first_lines} == {",", ";", "\t"}


def test_ticket_subjects_break_lines_inside_quotes(sample: Path) -> None:
    subjects = [row["subject"] for row in delivered(sample, "tickets", "ticket", DAYS[0])]
    assert any("\n" in (subject or "") for subject in subjects)


def test_tickets_have_the_header_and_times(sample: Path) -> None:
    for path in (sample / "tickets" / DAYS[0]).glob("*.csv"):
        header, first, *_ = csv_rows(path)
        assert header[0] == "ticket_id"
        assert len(header) == 15
        datetime.fromisoformat(first[header.index("updated_at")])


def test_rows_of_another_length_are_the_ragged_ones(sample: Path) -> None:
    odd = 0
    for path in (sample / "tickets").rglob("*.csv"):
        header, *rows = csv_rows(path)
        odd += sum(len(row) != len(header) for row in rows)
    defects = pq.read_table(sample / "truth/defects.parquet").to_pylist()
    assert odd == sum(row["defect"] == "ragged_row" for row in defects) > 0
