"""What makes a version, and the fingerprint of a set of them."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pyarrow as pa

from dataflow.sources.protocol import BATCH_SCHEMA, WindowMeasure
from dataflow.sources.versions import VERSION_SCHEMA, complete, measure
from lakehouse.connect import connect

AT = datetime(2026, 3, 1, tzinfo=UTC)


def batch(*rows: tuple[str | None, str]) -> pa.RecordBatch:
    listed = [
        {"record_key": key, "changed_at": AT, "is_deleted": False, "locator": f"a#{place}", "payload": payload}
        for place, (key, payload) in enumerate(rows)
    ]
    return pa.RecordBatch.from_pylist(listed, schema=BATCH_SCHEMA)


def test_every_row_gets_a_hash_and_a_key() -> None:
    with connect() as con:
        [rows] = complete(con, [batch(("1", '{"a":1}'), (None, '{"a":2}'), ("", '{"a":2}'))])
    assert rows.schema == VERSION_SCHEMA
    digest = hashlib.md5(b'{"a":2}').hexdigest()
    assert rows.column("record_key").to_pylist() == ["1", digest, digest]
    assert rows.column("row_hash").to_pylist()[1] == digest
    assert rows.column("defect").to_pylist() == [None, "no key", "no key"]


def test_what_json_readers_refuse_is_wrapped_whole() -> None:
    lone_surrogate = '{"a":"\\ud800"}'
    with connect() as con:
        [rows] = complete(con, [batch(("1", lone_surrogate))])
    [row] = rows.to_pylist()
    assert json.loads(row["payload"]) == lone_surrogate
    assert row["defect"] == "payload is not valid JSON"


def test_small_batches_are_completed_together_and_big_ones_as_they_come() -> None:
    def numbered(first: int, count: int, text: str = "") -> pa.RecordBatch:
        return batch(*((str(key), json.dumps({"a": text})) for key in range(first, first + count)))

    taken: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        sizes = [(0, 10_000, ""), (10_000, 15_000, ""), (25_000, 5, "x" * 2_000_000), (25_005, 7, ""), (25_012, 3, "")]
        for first, count, text in sizes:
            taken.append(first)
            yield numbered(first, count, text)

    keys: list[str] = []
    found: list[tuple[int, int]] = []
    with connect() as con:
        for versions in complete(con, batches()):
            found.append((versions.num_rows, len(taken)))
            keys += versions.column("record_key").to_pylist()
    # Rows of each table, and how many batches had been taken by then: none is read ahead.
    assert found == [(25_000, 2), (5, 3), (10, 5)]
    assert keys == [str(key) for key in range(25_015)]


def test_a_fingerprint_knows_no_order_and_sees_each_difference() -> None:
    rows = [("1", '{"a":1}'), ("2", '{"a":2}'), ("3", '{"a":3}')]
    with connect() as con:
        whole = measure(con, [batch(*rows)])
        assert measure(con, [batch(rows[2]), batch(rows[1], rows[0])]) == whole
        assert measure(con, [batch(*rows, rows[0])]) == whole
        assert measure(con, [batch(*rows[:2])]) != whole
        assert measure(con, [batch(*rows[:2], ("3", '{"a":4}'))]) != whole
        assert measure(con, [batch(*rows[:2], ("4", '{"a":3}'))]) != whole
        assert measure(con, []) == WindowMeasure(0, "0")
    assert whole.count == 3
