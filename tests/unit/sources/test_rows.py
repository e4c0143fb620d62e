"""Key, version and deletion of a row; rows to batches."""

from datetime import UTC, datetime

import pytest

from dataflow.sources.protocol import BATCH_SCHEMA
from dataflow.sources.rows import RowReader, Rows, parse_time
from tests.lib.deliveries import PERSON


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T09:30:00.000+0000", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01T09:30:00Z", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01T09:30:00+02:00", datetime(2026, 3, 1, 7, 30, tzinfo=UTC)),
        (" 2026-03-01 09:30:00.123456 ", datetime(2026, 3, 1, 9, 30, 0, 123456, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-02-30", None),
        ("0001-01-01T00:00:00+05:00", None),
        ("soon", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_times(text: object, expected: datetime | None) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize(("value", "expected"), [("007", "007"), (7, "7"), ("", None), (None, None)])
def test_a_key_is_text(value: object, expected: str | None) -> None:
    assert RowReader(PERSON).key({"Id": value}) == expected


def test_a_key_of_two_fields_needs_both_and_confuses_none() -> None:
    reader = RowReader(PERSON.model_copy(update={"key": "a, b"}))
    assert reader.key({"a": "1", "b": None}) is None
    assert reader.key({"a": "1|2", "b": "3"}) != reader.key({"a": "1", "b": "2|3"})


def test_a_deletion_is_a_flag_or_a_time() -> None:
    reader = RowReader(PERSON.model_copy(update={"deleted_flag": "gone", "deleted_when_set": "gone_at"}))
    rows = [{"gone": True}, {"gone": "Yes"}, {"gone": "0"}, {"gone_at": "2026-01-02"}, {"gone_at": ""}, {}]
    assert [reader.is_deleted(row) for row in rows] == [True, True, False, True, False, False]


def test_rows_become_a_batch_and_begin_again() -> None:
    rows = Rows()
    rows.add("{}", "a#1", key="1")
    batch = rows.take()
    assert batch.schema == BATCH_SCHEMA
    assert batch.num_rows == 1
    assert rows.take().num_rows == 0


def test_long_texts_fill_a_batch_early() -> None:
    rows = Rows()
    rows.add("x" * 40_000_000, "a#1")
    assert rows.is_full
