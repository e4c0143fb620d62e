"""Objects without a time of change: read whole or added to, and compared with raw by hash."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.errors import ConfigurationError
from dataflow.land import PlanFindings, commit_what_holds, fetch_window, plan_landing
from dataflow.land.by_hash import most_gone
from dataflow.land.check import check_object
from dataflow.land.shares import Share, read_share, write_share
from dataflow.settings import ObjectSettings, Settings, load_settings
from dataflow.sources.by_hash import within
from dataflow.sources.protocol import Window
from dataflow.workspace.report import list_gaps
from lakehouse import Lake
from tests.lib.deliveries import company, opened, raw_rows, run

FIELDS = {"order_no": "BIGINT", "sku": "VARCHAR", "count": "INTEGER"}
LINE = {"format": "csv", "path": "lines.csv", "key": ["order_no", "sku"], "mode": "full", "fields": FIELDS}
Found = list[tuple[str, str | None, bool]]


def settings_of(home: Path, **changed: Any) -> Settings:
    return company(home, ticket=ObjectSettings(**(LINE | changed)))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with opened(settings) as lake:
        yield lake


def deliver(settings: Settings, *lines: str, hour: int, path: str = "lines.csv") -> None:
    file = settings.home / "desk" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(["order_no,sku,count", *lines, ""]), encoding="utf-8")
    written = datetime(2026, 3, 1, hour, tzinfo=UTC).timestamp()
    os.utime(file, (written, written))


def land(lake: Lake, settings: Settings, number: int) -> dict[str, str]:
    """Land as a run does; returns what is incomplete."""
    plan = plan_landing(lake, settings, source="desk")
    fetched = [fetch_window(planned, settings, run(number)) for planned in plan.windows]
    findings = PlanFindings(plan.failures, plan.closed_gaps)
    return list_gaps(commit_what_holds(lake, fetched, run(number), findings=findings))


def newest(lake: Lake) -> Found:
    """Key, count and deletion of the newest version of each record."""
    rows = raw_rows(lake, "desk_ticket", "_record_key, payload->>'count', _is_deleted, _changed_at")
    return sorted({key: (key, count, gone) for key, count, gone, _ in sorted(rows, key=lambda row: row[3])}.values())


def test_an_absent_record_is_deleted_and_comes_back(lake: Lake, settings: Settings) -> None:
    lines = [f"{number},A,1" for number in range(1, 6)]
    deliver(settings, *lines, hour=1)
    assert land(lake, settings, 1) == {}
    deliver(settings, *lines[:4], hour=2)
    assert land(lake, settings, 2) == {}
    assert newest(lake)[4] == ("5|A", None, True)
    deliver(settings, *lines, hour=3)
    assert land(lake, settings, 3) == {}
    assert newest(lake) == [(f"{number}|A", "1", False) for number in range(1, 6)]


def test_only_changed_rows_are_added_and_a_former_value_is_a_change(lake: Lake, settings: Settings) -> None:
    for number, count in enumerate((1, 2, 1), start=1):
        deliver(settings, "1,A,7", f"1,B,{count}", hour=number)
        assert land(lake, settings, number) == {}
    assert len(raw_rows(lake, "desk_ticket")) == 4
    assert newest(lake) == [("1|A", "7", False), ("1|B", "1", False)]


def test_a_file_of_an_earlier_time_is_still_the_newest_state(lake: Lake, settings: Settings) -> None:
    deliver(settings, "1,A,1", hour=5)
    assert land(lake, settings, 1) == {}
    deliver(settings, "1,A,2", hour=4)
    assert land(lake, settings, 2) == {}
    assert newest(lake) == [("1|A", "2", False)]


def test_a_key_written_otherwise_is_the_same_record(lake: Lake, settings: Settings) -> None:
    deliver(settings, "1,A,1", "2,A,1", "3,A,1", hour=1)
    land(lake, settings, 1)
    deliver(settings, "01,A,1", "2,A,1", "3,A,1", hour=2)
    assert land(lake, settings, 2) == {}
    assert [row[1] for row in raw_rows(lake, "desk_ticket")] == [False] * 4


@pytest.mark.parametrize("kept", [0, 1, 5])
def test_an_empty_or_halved_reading_deletes_nothing(lake: Lake, settings: Settings, kept: int) -> None:
    deliver(settings, *(f"{number},A,1" for number in range(10)), hour=1)
    land(lake, settings, 1)
    deliver(settings, *(f"{number},A,2" for number in range(kept)), hour=2)
    assert "absent" in str(land(lake, settings, 2))
    assert {(count, gone) for _, count, gone in newest(lake)} == {("1", False)}
    # It stays open until a plausible reading comes, which repairs it.
    deliver(settings, *(f"{number},A,3" for number in range(9)), hour=3)
    assert land(lake, settings, 3) == {}
    assert [count for _, count, _ in newest(lake)] == ["3"] * 9 + [None]


def test_a_withdrawn_file_deletes_nothing(lake: Lake, settings: Settings) -> None:
    deliver(settings, "1,A,1", hour=1)
    land(lake, settings, 1)
    (settings.home / "desk" / "lines.csv").unlink()
    assert "no file" in str(land(lake, settings, 2))
    assert newest(lake) == [("1|A", "1", False)]


def test_a_declared_share_lets_more_go(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, anti_join_limit_share=1)
    with opened(settings) as lake:
        deliver(settings, *(f"{number},A,1" for number in range(10)), hour=1)
        land(lake, settings, 1)
        deliver(settings, "1,A,1", hour=2)
        assert land(lake, settings, 2) == {}
        assert sum(gone for _, _, gone in newest(lake)) == 9


def test_a_broken_row_is_kept_and_leaves_with_its_file(lake: Lake, settings: Settings) -> None:
    deliver(settings, "1,A,1", "2,B,1", "3,C,1", "4", hour=1)
    land(lake, settings, 1)
    deliver(settings, "1,A,1", "2,B,1", "3,C,1", hour=2)
    assert land(lake, settings, 2) == {}
    assert sum(gone for _, _, gone in newest(lake)) == 1


def test_of_dated_deliveries_the_newest_counts(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, path="{date}.csv")
    with opened(settings) as lake:
        deliver(settings, "1,A,1", "2,A,1", "3,A,1", hour=1, path="2026-03-01.csv")
        deliver(settings, "1,A,2", "2,A,2", hour=2, path="2026-03-02.csv")
        land(lake, settings, 1)
        assert newest(lake) == [("1|A", "2", False), ("2|A", "2", False)]
        deliver(settings, "1,A,9", hour=3, path="2026-03-01.csv")
        assert land(lake, settings, 2) == {}
        (settings.home / "desk" / "2026-03-02.csv").unlink()
        assert land(lake, settings, 3) == {}
        assert newest(lake) == [("1|A", "2", False), ("2|A", "2", False)]


def test_added_rows_stay_and_are_landed_once(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, mode="append", path="lines-*.csv")
    with opened(settings) as lake:
        deliver(settings, "1,A,1", "2,A,1", hour=1, path="lines-1.csv")
        deliver(settings, "2,A,1", "3,A,1", hour=2, path="lines-2.csv")
        land(lake, settings, 1)
        deliver(settings, "3,A,1", "4,A,1", hour=3, path="lines-2.csv")
        land(lake, settings, 2)
        assert newest(lake) == [(f"{number}|A", "1", False) for number in range(1, 5)]
        assert len(raw_rows(lake, "desk_ticket")) == 4


def test_the_check_reads_it_again(lake: Lake, settings: Settings) -> None:
    deliver(settings, "1,A,1", "2,A,1", hour=1)
    land(lake, settings, 1)
    since = datetime(1970, 1, 1, tzinfo=UTC)
    assert check_object(lake, settings, ("desk", "ticket"), run(2), since=since).missing == 0
    lake.con.execute("DELETE FROM lake.raw.desk_ticket WHERE _record_key = '1|A'")
    found = check_object(lake, settings, ("desk", "ticket"), run(3), since=since)
    assert (found.missing, found.rows_read) == (1, 2)


def test_a_share_carries_how_its_windows_are_landed(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    deliver(settings, "1,A,1", hour=1)
    planned = plan_landing(lake, settings, source="desk").windows
    write_share(tmp_path, 1, Share(run(1), planned))
    assert read_share(tmp_path, 1).windows == planned


@given(known=st.integers(0, 10_000), share=st.floats(0.01, 0.5))
def test_half_of_the_records_are_never_plausible(known: int, share: float) -> None:
    assert known == 0 or most_gone(known, share) <= known / 2 < known
    assert most_gone(known, 1) == known


def test_a_time_of_reading_is_inside_the_day_of_the_file() -> None:
    day = Window.of_day(datetime(2026, 3, 1, tzinfo=UTC).date())
    assert within(day, datetime(2026, 3, 5, tzinfo=UTC)).date() == day.start.date()
    assert within(day, datetime(2026, 2, 1, tzinfo=UTC)) == day.start


@pytest.mark.parametrize(
    ("declared", "named"),
    [
        ('key = "id"', "needs cursor"),
        ('key = "id"\ncursor = "at"\nmode = "full"', "cursor is for mode"),
        ('key = ["a,b"]\nmode = "full"', "without commas"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(tmp_path: Path, declared: str, named: str) -> None:
    text = f'[sources.s]\nroot = "x"\n[sources.s.objects.o]\nformat = "csv"\npath = "x"\n{declared}\nfields = {{}}\n'
    (tmp_path / "dataflow.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=named):
        load_settings(tmp_path / "dataflow.toml")
