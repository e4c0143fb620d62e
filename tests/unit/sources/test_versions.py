"""What makes a version, and the fingerprint of a set of them."""

import hashlib
import json
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
        rows = complete(con, batch(("1", '{"a":1}'), (None, '{"a":2}'), ("", '{"a":2}')))
    assert rows.schema == VERSION_SCHEMA
    digest = hashlib.md5(b'{"a":2}').hexdigest()
    assert rows.column("record_key").to_pylist() == ["1", digest, digest]
    assert rows.column("row_hash").to_pylist()[1] == digest
    assert rows.column("defect").to_pylist() == [None, "no key", "no key"]


def test_what_json_readers_refuse_is_wrapped_whole() -> None:
    lone_surrogate = '{"a":"\\ud800"}'
    with connect() as con:
        [row] = complete(con, batch(("1", lone_surrogate))).to_pylist()
    assert json.loads(row["payload"]) == lone_surrogate
    assert row["defect"] == "payload is not valid JSON"


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
