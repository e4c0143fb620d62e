"""The org's calls: how many are left, and when a run has to stop."""

from __future__ import annotations

import pytest

from dataflow.errors import ExitCode, SourceIncomplete
from dataflow.sources.salesforce.budget import Budget, bulk_calls, prefers_bulk, rest_calls


def heard(used: int, total: int, share: float = 0.1) -> Budget:
    budget = Budget(share)
    budget.note(f"api-usage={used}/{total}; per-app-api-usage=17/250(appName=x)")
    return budget


def test_before_the_first_answer_nothing_is_known_and_nothing_refused() -> None:
    budget = Budget(0.1)
    budget.require(10**6, doing="Reading")
    budget.spend(doing="Reading")
    assert budget.left() is None


@pytest.mark.parametrize(("used", "total", "share", "left"), [(0, 100, 0.1, 90), (89, 100, 0.1, 1), (95, 100, 0.1, 0),
                                                              (5, 100, 0.0, 95), (100, 100, 0.0, 0)])  # fmt: skip
def test_a_reserve_is_left_to_others(used: int, total: int, share: float, left: int) -> None:
    assert heard(used, total, share).left() == left


def test_calls_under_way_count_until_an_answer_tells() -> None:
    budget = heard(88, 100)
    budget.spend(doing="Reading")
    budget.spend(doing="Reading")
    with pytest.raises(SourceIncomplete, match="needs 1 API calls and 0 are left: 88 of 100"):
        budget.spend(doing="Reading")


def test_too_much_is_refused_before_it_begins_and_is_a_partial_run() -> None:
    with pytest.raises(SourceIncomplete, match="needs 51 API calls and 50 are left") as refused:
        heard(40, 100).require(51, doing="Reading")
    assert refused.value.exit_code == ExitCode.PARTIAL
    assert not refused.value.retryable


@pytest.mark.parametrize(("rows", "calls"), [(0, 1), (1, 1), (2000, 1), (2001, 2), (1_000_000, 500)])
def test_rest_takes_a_call_for_each_page(rows: int, calls: int) -> None:
    assert rest_calls(rows) == calls


def test_bulk_takes_a_call_for_each_page_and_some_for_the_job() -> None:
    assert bulk_calls(1_000_000, page_rows=50_000) == 8 + 20 + 4


@pytest.mark.parametrize(
    ("rows", "left", "bulk"),
    [(100, None, False), (20_000, None, True), (19_999, 10_000, False), (19_999, 5, False), (100_000, 15, True)],
)
def test_rows_and_calls_left_choose_the_api(rows: int, left: int | None, bulk: bool) -> None:
    assert prefers_bulk(rows, bulk_from_rows=20_000, page_rows=50_000, left=left) is bulk


def test_few_calls_left_make_bulk_the_choice_below_its_usual_size() -> None:
    assert prefers_bulk(100_000, bulk_from_rows=10**9, page_rows=50_000, left=20)
    assert not prefers_bulk(100_000, bulk_from_rows=10**9, page_rows=50_000, left=1000)
