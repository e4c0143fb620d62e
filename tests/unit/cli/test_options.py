"""Days, times and snapshot numbers as people write them."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from dataflow.cli.options import parse_day, parse_days, parse_timestamp, parse_version
from dataflow.errors import UsageError


@pytest.mark.parametrize(
    ("text", "timestamp"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T18:00:00", datetime(2026, 1, 31, 18, tzinfo=UTC)),
        ("2026-01-31T18:00:00Z", datetime(2026, 1, 31, 18, tzinfo=UTC)),
        ("2026-01-31T18:00:00+02:00", datetime(2026, 1, 31, 18, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_timestamps(text: str, timestamp: datetime) -> None:
    assert parse_timestamp(text, option="--since") == timestamp
    assert parse_timestamp(text, option="--since").tzinfo is not None


@pytest.mark.parametrize("text", ["", "yesterday", "31.01.2026", "2026-02-30", "2026-13-01"])
def test_what_is_no_day_is_refused_with_the_option_named(text: str) -> None:
    with pytest.raises(UsageError, match=r"--since is not a day or a time"):
        parse_timestamp(text, option="--since")


def test_a_day_has_no_time() -> None:
    assert parse_day("2026-01-31", option="--from") == date(2026, 1, 31)
    with pytest.raises(UsageError, match="without a time"):
        parse_day("2026-01-31T10:00", option="--from")


def test_a_version_is_a_number_or_a_time() -> None:
    assert parse_version("17", option="--to") == 17
    assert parse_version("2026-01-31", option="--to") == datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(("text", "days"), [("1d", 1), ("7", 7), (" 30d ", 30)])
def test_a_window_is_so_many_days(text: str, days: int) -> None:
    assert parse_days(text, option="--window") == days


@pytest.mark.parametrize("text", ["", "0", "-1d", "12h", "d", "1.5d"])
def test_a_window_of_no_whole_days_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--window is a number of whole days"):
        parse_days(text, option="--window")
