"""Landing: whatever is delivered, and however often a run dies, raw holds each version of each record once.

Each case says what was delivered on each run, and what raw then holds as (key, name, deleted).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import SourceIncomplete, SourceMalformed
from dataflow.land import commit_windows, fetch_window, plan_windows
from lakehouse import Lake
from tests.lib.deliveries import (
    company,
    deliver_csv,
    deliver_deleted,
    deliver_items,
    deliver_pages,
    land,
    left_alone,
    opened,
    person,
    raw_rows,
    run,
)

EARLY, LATE = "2026-03-01T08:00:00Z", "2026-03-02T08:00:00Z"


def ann(name: str = "Ann", at: str = EARLY, **fields: Any) -> dict[str, Any]:
    return person("1", at=at, Name=name, **fields)


def gone(key: str = "1", at: str = LATE) -> dict[str, str]:
    return {"id": key, "deletedDate": at}


Day = tuple[str, Sequence[dict[str, Any]], Sequence[dict[str, str]]]


@pytest.mark.parametrize(
    ("deliveries", "expected"),
    [
        pytest.param([("01", [ann()], []), ("01", [ann()], [])], [("1", "Ann", False)], id="the same file twice"),
        pytest.param([("01", [ann(), ann()], [])], [("1", "Ann", False)], id="a row twice in a file"),
        pytest.param([("01", [ann()], []), ("02", [ann()], [])], [("1", "Ann", False)], id="a row twice on two days"),
        pytest.param(
            [("01", [ann()], []), ("02", [ann("Anna", LATE)], [])],
            [("1", "Ann", False), ("1", "Anna", False)],
            id="an update",
        ),
        pytest.param(
            [("01", [ann(), ann("Anna", LATE)], [])],
            [("1", "Ann", False), ("1", "Anna", False)],
            id="two versions in a file",
        ),
        pytest.param(
            [("01", [ann()], []), ("02", [ann("Anna")], [])],
            [("1", "Ann", False), ("1", "Anna", False)],
            id="two versions of one time on two days",
        ),
        pytest.param(
            [("02", [ann("Anna", LATE)], []), ("03", [ann("Ann", EARLY)], [])],
            [("1", "Ann", False), ("1", "Anna", False)],
            id="an older version that comes late",
        ),
        pytest.param(
            [("02", [ann("Anna", LATE)], []), ("01", [ann("Ann", EARLY)], [])],
            [("1", "Ann", False), ("1", "Anna", False)],
            id="an older day that comes late",
        ),
        pytest.param(
            [("01", [ann()], []), ("01", [ann("Anna", LATE)], [])],
            [("1", "Ann", False), ("1", "Anna", False)],
            id="a file rewritten with other rows",
        ),
        pytest.param(
            [("01", [ann()], []), ("02", [], [gone()])],
            [("1", "Ann", False), ("1", None, True)],
            id="a deletion",
        ),
        pytest.param(
            [("01", [], [gone("9")]), ("02", [], [gone("9")])], [("9", None, True)], id="a deletion told twice"
        ),
        pytest.param(
            [("01", [ann()], []), ("02", [], [gone()]), ("03", [ann("Ann", "2026-03-03T08:00:00Z")], [])],
            [("1", "Ann", False), ("1", None, True), ("1", "Ann", False)],
            id="a record that comes back",
        ),
        pytest.param(
            [("01", [ann(IsDeleted=True)], [])],
            [("1", "Ann", True)],
            id="a record flagged as deleted",
        ),
    ],
)
def test_what_raw_holds(tmp_path: Path, deliveries: list[Day], expected: list[Any]) -> None:
    settings = company(tmp_path)
    with opened(settings) as lake:
        for number, (day, records, deletions) in enumerate(deliveries, start=1):
            deliver_pages(tmp_path / "crm", records, day=f"2026-03-{day}")
            if deletions:
                deliver_deleted(tmp_path / "crm", *deletions, day=f"2026-03-{day}")
            for report in land(lake, settings, number=number, source="crm"):
                assert report.rows_in == report.rows_out + report.merged
        landed = raw_rows(lake, "crm_person", "_record_key, payload->>'Name', _is_deleted")
    # Versions of one time have no order.
    assert sorted(landed, key=str) == sorted(expected, key=str)


def deliver_everything(home: Path) -> None:
    deliver_pages(home / "crm", [ann(), ann()], [person("2"), person("")])
    deliver_deleted(home / "crm", gone("3"))
    deliver_items(home / "shop", [{"id": 1, "price": Decimal("1.10")}, {"id": None, "price": Decimal("2.00")}])
    left_alone(deliver_csv(home / "desk", "ticket_id,subject,updated_at\n1,a,2026-03-01\n2,ragged\n3,b"))


def state(lake: Lake) -> tuple[Any, ...]:
    """Everything a landing writes, but for the run that wrote it and when."""
    stable = "COLUMNS(* EXCLUDE (_run_id, _extracted_at))"
    tables = ["crm_person", "shop_item", "desk_ticket"]
    ops = {"watermark": "advanced_at", "landed_file": "landed_at", "completeness": "checked_at"}
    return tuple(
        [lake.con.execute(f"SELECT {stable} FROM lake.raw.{table} ORDER BY ALL").fetchall() for table in tables]
        + [
            lake.con.execute(f"SELECT * EXCLUDE (_run_id, {when}) FROM lake.ops.{table} ORDER BY ALL").fetchall()
            for table, when in ops.items()
        ]
    )


def test_the_same_deliveries_again_change_nothing_at_all(tmp_path: Path) -> None:
    settings = company(tmp_path)
    deliver_everything(tmp_path)
    with opened(settings) as lake:
        windows = plan_windows(lake, settings)
        land(lake, settings)
        before, snapshot = state(lake), lake.snapshot().id
        assert plan_windows(lake, settings) == []
        # Even when requested: a retried task can hand over committed windows.
        reports = commit_windows(lake, [fetch_window(window, settings, run(2)) for window in windows], run(2))
        assert [report.rows_out for report in reports] == [0, 0, 0]
        assert [report.rows_in for report in reports] == [report.merged for report in reports] == [5, 2, 3]
        assert (state(lake), lake.snapshot().id) == (before, snapshot)


def test_a_file_touched_but_not_changed_is_not_landed_again(tmp_path: Path) -> None:
    settings = company(tmp_path)
    deliver_everything(tmp_path)
    with opened(settings) as lake:
        land(lake, settings)
        snapshot = lake.snapshot().id
        deliver_everything(tmp_path)
        land(lake, settings)
        assert lake.snapshot().id == snapshot


def nothing(lake: Lake, home: Path) -> None:
    """The run dies before it does anything."""


def only_fetch(lake: Lake, home: Path) -> None:
    settings = company(home)
    for window in plan_windows(lake, settings):
        fetch_window(window, settings, run(1))


def half_a_file(lake: Lake, home: Path) -> None:
    only_fetch(lake, home)
    for file in home.glob("landing/**/*.parquet"):
        file.with_name(f".{file.name}.1.part").write_bytes(file.read_bytes()[:100])
        file.unlink()


def one_object_of_three(lake: Lake, home: Path) -> None:
    only_fetch(lake, home)
    land(lake, company(home), source="crm")


def in_mid_commit(lake: Lake, home: Path) -> None:
    settings = company(home)
    windows = [fetch_window(window, settings, run(1)) for window in plan_windows(lake, settings)]
    windows[-1].file.rename(windows[-1].file.with_suffix(".away"))
    with pytest.raises(Exception, match="No files found"):
        commit_windows(lake, windows, run(1))


@pytest.mark.parametrize("died", [nothing, only_fetch, half_a_file, one_object_of_three, in_mid_commit])
def test_a_run_that_died_is_simply_run_again(tmp_path: Path, died: Callable[[Lake, Path], None]) -> None:
    states = []
    for name, first in (("undisturbed", None), ("died", died)):
        home = tmp_path / name
        settings = company(home)
        deliver_everything(home)
        with opened(settings) as lake:
            if first is not None:
                first(lake, home)
            land(lake, settings, number=2)
            states.append(state(lake))
    for undisturbed, disturbed in zip(*states, strict=True):
        assert [_without_file_times(row) for row in undisturbed] == [_without_file_times(row) for row in disturbed]


def _without_file_times(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value for value in row if not (isinstance(value, datetime) and value.microsecond))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"totalSize":2,"done":true,"records":[{"Id"', SourceMalformed),
        ('{"totalSize":2,"done":true,"records":[]}', SourceIncomplete),
    ],
)
def test_a_broken_delivery_leaves_the_lake_as_it_was(tmp_path: Path, text: str, error: type[Exception]) -> None:
    settings = company(tmp_path)
    deliver_pages(tmp_path / "crm", [ann()])
    with opened(settings) as lake:
        land(lake, settings, source="crm")
        before, snapshot = state(lake), lake.snapshot().id
        [page] = deliver_pages(tmp_path / "crm", [], day="2026-03-02")
        page.write_text(text)
        with pytest.raises(error):
            land(lake, settings, source="crm")
        assert (state(lake), lake.snapshot().id) == (before, snapshot)
        deliver_pages(tmp_path / "crm", [ann("Anna", LATE)], day="2026-03-02")
        [report] = land(lake, settings, source="crm")
        assert report.rows_out == 1


def test_what_cannot_be_read_as_a_row_lands_with_its_reason(tmp_path: Path) -> None:
    settings = company(tmp_path)
    deliver_everything(tmp_path)
    with opened(settings) as lake:
        land(lake, settings)
        defects = [
            lake.con.execute(f"SELECT _defect FROM lake.raw.{table} WHERE _defect IS NOT NULL ORDER BY 1").fetchall()
            for table in ("crm_person", "shop_item", "desk_ticket")
        ]
    assert defects == [
        [("no key",)],
        [("no key",)],
        [("2 fields where the header has 3",), ("cut off: 2 of 3 fields and no line end",)],
    ]
