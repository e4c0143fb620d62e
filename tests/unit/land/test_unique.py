"""Rows of one window that share key and version are told before one of them is lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dataflow.errors import ObjectHeldBack
from dataflow.land import commit_what_holds, fetch_window, plan_landing, plan_windows
from dataflow.land.commit import PlanFindings
from dataflow.land.gaps import Failure
from dataflow.settings import ObjectSettings, Settings
from dataflow.workspace.report import list_gaps
from lakehouse import Lake
from tests.lib.deliveries import company, csv_text, deliver_csv, opened, raw_rows, run

LINE = ObjectSettings(
    format="csv",
    path="{date}/*.csv",
    key="order_id",
    cursor="placed_at",
    deleted_when_set="gone_at",
    fields={
        "order_id": "VARCHAR",
        "price": "DECIMAL(12,2)",
        "product_id": "VARCHAR",
        "line_no": "BIGINT",
        "placed_at": "TIMESTAMPTZ",
        "gone_at": "TIMESTAMPTZ",
    },
)
HEADER = tuple(LINE.fields)
AT, LATER = "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"


def line(order: str, price: str, product: str, number: str, at: str = AT, gone: str = "") -> tuple[str, ...]:
    return (order, price, product, number, at, gone)


def lines_of(home: Path, rows: Sequence[Sequence[str]], *, key: str = "order_id", day: str = "2026-03-01") -> Settings:
    deliver_csv(home / "desk", csv_text([HEADER, *rows]), day=day)
    return company(home, ticket=LINE.model_copy(update={"key": key}))


def fetch_all(settings: Settings) -> list[object]:
    return [fetch_window(planned, settings, run(1)) for planned in plan_windows(None, settings, source="desk")]


@pytest.mark.parametrize(
    ("rows", "proposed"),
    [
        pytest.param(
            [line("A", "1.00", "p", "1"), line("A", "2.00", "q", "2"), line("B", "1.00", "p", "1")],
            ['"order_id", "product_id"', '"order_id", "line_no"', '"order_id", "price"'],
            id="every field tells them apart, those named and typed as keys first",
        ),
        pytest.param(
            [line("A", "1.00", "p", "1"), line("A", "1.00", "p", "2")], ['"order_id", "line_no"'], id="one field does"
        ),
        pytest.param(
            [line("A", "1.00", "p", "1"), line("A", "1.00", "p", "2"), line("A", "1.00", "q", "1")],
            ['"order_id", "product_id", "line_no"'],
            id="two fields do",
        ),
        pytest.param(
            [line("A", "1.00", "p", ""), line("A", "2.00", "p", "1"), line("A", "2.00", "q", "1")],
            ['"order_id", "product_id", "price"'],
            id="a field that can be missing is not one",
        ),
    ],
)
def test_the_fields_that_would_make_the_key_unique_are_named(
    tmp_path: Path, rows: list[tuple[str, ...]], proposed: list[str]
) -> None:
    settings = lines_of(tmp_path, rows)
    with pytest.raises(ObjectHeldBack, match="the key order_id is not unique") as error:
        fetch_all(settings)
    assert re.findall(r"key = \[([^]]+)\]", error.value.next_move) == proposed
    # Nothing is staged that a later run would take for whole.
    assert not list((tmp_path / "landing").rglob("*.parquet"))


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([line("A", "1.00", "p", "1"), line("A", "1.00", "p", "1")], id="the same row twice"),
        pytest.param([line("A", "1.00", "p", "1"), line("A", "2.00", "p", "1", LATER)], id="two versions"),
        pytest.param([line("A", "1.00", "p", "1"), line("A", "1.00", "p", "1", AT, AT)], id="a row and its deletion"),
        pytest.param([line("", "1.00", "p", "1"), line("", "2.00", "p", "2")], id="rows without a key"),
        pytest.param([line("A", "1.00", "p", "1", ""), line("A", "2.00", "p", "2", "")], id="rows without a version"),
        pytest.param([line("A", "1.00", "p", "1"), line("a", "2.00", "p", "2")], id="text keys of another case"),
    ],
)
def test_what_is_not_two_rows_with_one_key_and_version_is_landed(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    assert len(fetch_all(lines_of(tmp_path, rows))) == 1


@pytest.mark.parametrize("other", ["01", " 1", "1.0", "+1", "1e0"])
@pytest.mark.parametrize("key", ["line_no", "product_id, line_no"])
def test_spellings_of_one_typed_key_are_one_key(tmp_path: Path, key: str, other: str) -> None:
    settings = lines_of(tmp_path, [line("A", "1.00", "p", "1"), line("B", "1.00", "p", other)], key=key)
    with pytest.raises(ObjectHeldBack, match="2 different rows have 1 keys"):
        fetch_all(settings)
    # A row that differs in nothing but the spelling of its key is the same row.
    same = [line("A", "1.00", "p", "1"), line("A", "1.00", "p", other), line("A", "1.00", "p", "x")]
    assert len(fetch_all(lines_of(tmp_path, same, key=key))) == 1


def ingest(lake: Lake, settings: Settings, number: int) -> dict[str, str]:
    """Plan, fetch and land as a run does; returns the gaps."""
    plan = plan_landing(lake, settings, source="desk")
    fetched, failures = [], list(plan.failures)
    for planned in plan.windows:
        try:
            fetched.append(fetch_window(planned, settings, run(number)))
        except ObjectHeldBack as error:
            failures.append(Failure(planned.source, planned.object, error, planned))
    return list_gaps(
        commit_what_holds(lake, fetched, run(number), findings=PlanFindings(tuple(failures), plan.closed_gaps))
    )


def test_the_window_waits_until_the_key_is_corrected(tmp_path: Path) -> None:
    rows = [line("A", "1.00", "p", "1"), line("A", "2.00", "q", "2")]
    settings = lines_of(tmp_path, rows)
    with opened(settings) as lake:
        for number in (1, 2):
            gaps = ingest(lake, settings, number)
            assert list(gaps) == ["desk.ticket 2026-03-01"] and "is not unique" in gaps["desk.ticket 2026-03-01"]
            assert raw_rows(lake, "desk_ticket") == []
        open_gaps = "SELECT reason, attempts FROM lake.ops.gap WHERE status = 'open'"
        assert lake.con.execute(open_gaps).fetchall() == [("key", 2)]
        assert ingest(lake, lines_of(tmp_path, rows, key="order_id, line_no"), 3) == {}
        assert [row[0] for row in raw_rows(lake, "desk_ticket")] == ["A|1", "A|2"]
        assert lake.con.execute(open_gaps).fetchall() == []


def test_a_corrected_delivery_closes_the_gap(tmp_path: Path) -> None:
    settings = lines_of(tmp_path, [line("A", "1.00", "p", "1"), line("A", "2.00", "q", "2")])
    with opened(settings) as lake:
        assert ingest(lake, settings, 1)
        assert ingest(lake, lines_of(tmp_path, [line("A", "1.00", "p", "1"), line("B", "2.00", "q", "2")]), 2) == {}
        assert [row[0] for row in raw_rows(lake, "desk_ticket")] == ["A", "B"]


_LINES = st.lists(
    st.builds(line, st.sampled_from("AB"), st.just("1.00"), st.sampled_from("pq"), st.sampled_from("12"),
              st.sampled_from([AT, LATER])),
    max_size=6,
)  # fmt: skip


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=_LINES)
def test_a_window_is_refused_exactly_where_different_rows_share_key_and_version(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]
) -> None:
    settings = lines_of(tmp_path_factory.mktemp("lines"), rows)
    distinct = set(rows)
    is_shared = len({(row[0], row[4]) for row in distinct}) < len(distinct)
    try:
        fetch_all(settings)
    except ObjectHeldBack:
        assert is_shared
    else:
        assert not is_shared
