"""Key, version and deletion of a row; rows to batches."""

from datetime import UTC, datetime

import pytest

from dataflow.sources.protocol import BATCH_SCHEMA
from dataflow.sources.rows import RowReader, Rows, parse_time
from dataflow.validate.cast import cast_sql
from lakehouse.connect import connect
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


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-01 10:00:00", "2026-03-01T09:00:00"),
        ("2026-07-01 10:00:00", "2026-07-01T08:00:00"),
        ("2026-03-01", "2026-02-28T23:00:00"),
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00"),
        ("2026-03-01 10:00:00+05:00", "2026-03-01T05:00:00"),
        ("2026-10-25 02:30:00", "2026-10-25T01:30:00"),
        ("2026-03-29 02:30:00", "2026-03-29T01:30:00"),
    ],
)
def test_a_time_that_names_no_zone_is_of_the_declared_one(text: str, utc: str) -> None:
    """The same as DuckDB, in the hour that a clock shows twice and the one that it skips too."""
    found = parse_time(text, zone="Europe/Berlin")
    assert found == datetime.fromisoformat(f"{utc}+00:00")
    for kind in ("TIMESTAMPTZ", "TIMESTAMP"):
        with connect() as con:
            [(cast,)] = con.execute(
                f"SELECT epoch_us({cast_sql('t', kind, zone='Europe/Berlin')}) FROM (SELECT ? AS t)", [text]
            ).fetchall()
        assert cast == found.timestamp() * 1_000_000
