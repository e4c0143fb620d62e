"""Each landed row is in exactly one of valid and dead letters; a corrected rule publishes as if it had been right."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow.govern.rules import run_examples
from dataflow.tables.declared import declared_tables
from tests.lib.dead_letter_states import states_by_events, states_by_status
from tests.lib.small_company import CONFIG, Company, company_settings, opened_company, person, purchase

OURS = CONFIG.replace('checks = [{ rule = "refers_to", field = "person", object = "shop.person" }]\n', "")
RULE = """
[rules.total_is_positive]
on = "shop.purchase"
holds = "{holds}"
when_null = "{when_null}"
reason = "total is not positive"
passes = [{{ total = 1 }}{passes}]
fails = [{{ total = -1 }}{fails}]
"""
TOTALS = st.lists(st.sampled_from(["5", "0", None, "x"]), min_size=1, max_size=8)


def text(when_null: str, holds: str = "total > 0") -> str:
    """A configuration with the rule, and an example of a row without a total that says what null means."""
    missing = {"pass": {"passes": ", {}", "fails": ""}, "fail": {"passes": "", "fails": ", {}"}}[when_null]
    return OURS + RULE.format(holds=holds, when_null=when_null, **missing)


def land(company: Company, totals: list[Any]) -> None:
    company.land("person", person(1))
    company.land("purchase", *(purchase(number, of=1, total=total) for number, total in enumerate(totals)))


@pytest.mark.parametrize("when_null", ["pass", "fail"])
def test_each_row_is_valid_or_a_dead_letter_and_null_means_the_same_everywhere(
    when_null: str, tmp_path: Path, rounds: Callable[[int, int], int]
) -> None:
    folders = (tmp_path / str(number) for number in itertools.count())

    @settings(max_examples=rounds(2, 200), deadline=None, suppress_health_check=list(HealthCheck))
    @given(TOTALS)
    def check(totals: list[Any]) -> None:
        configured = company_settings(next(folders), text(when_null))
        # The dull twin: one row after the other.
        bad = {
            str(number)
            for number, total in enumerate(totals)
            if total in ("0", "x") or (total is None and when_null == "fail")
        }
        with opened_company(configured) as company:
            land(company, totals)
            report = company.validate()["shop.purchase"]
            keys = company.rows("SELECT _record_key FROM lake.valid.shop_purchase")
            dead = company.rows("SELECT _record_key FROM lake.ops.dead_letters WHERE status = 'open'")
            assert sorted(key for (key,) in [*keys, *dead]) == sorted(map(str, range(len(totals))))
            assert {key for (key,) in dead} == bad
            assert (report.rows_in, report.set_aside) == (len(totals), len(bad))
            assert states_by_events(company.lake) == states_by_status(company.lake)

    check()
    configured = company_settings(tmp_path / "examples", text(when_null))
    assert all(one.passed for one in run_examples(configured, declared_tables(configured)))


def test_a_corrected_rule_publishes_what_it_would_have_from_the_start(tmp_path: Path) -> None:
    totals = ["5", "0", None, "7"]
    with opened_company(company_settings(tmp_path / "late", text("fail"))) as company:
        land(company, totals)
        company.publish()
        assert company.rows("SELECT count(*) FROM lake.published.orders") == [(2,)]
    corrected = text("pass", holds="total >= 0")
    with opened_company(company_settings(tmp_path / "late", corrected)) as company:
        company.now += timedelta(days=5)
        company.publish()
        late = company.state("valid", "conformed", "published")
        assert set(states_by_status(company.lake).values()) == {"resolved"}
        assert states_by_events(company.lake) == states_by_status(company.lake)
    with opened_company(company_settings(tmp_path / "right", corrected)) as company:
        company.now += timedelta(days=5)
        land(company, totals)
        company.publish()
        right = company.state("valid", "conformed", "published")
    # The history says what readers were shown, which was another picture until the correction.
    for state in (late, right):
        del state["published.customer_history"]
    assert late == right
