"""Judgements before any run has taken them: each is seen by the next one, as if it were in the lake."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from dataflow.errors import UsageError
from dataflow.govern.deciding import WAITS
from dataflow.govern.review.decisions import list_judgements
from dataflow.govern.review.review import count_pairs, list_pairs, show_pair
from dataflow.resolve.judgements.judgements import Standing, present_judgements, settle
from dataflow.resolve.judgements.messages import JudgementsNow, lay_over_judgements
from dataflow.tables.conformed import CUSTOMER_RECORD
from dataflow.tables.ops import REVIEW_QUEUE
from dataflow.tables.published import CUSTOMER_360
from dataflow.tables.resolved import XREF
from lakehouse import Lake
from lakehouse.table import Table
from tests.lib.inboxes import inbox_of
from tests.lib.resolving import judge
from tests.lib.tables import NOW, arrow_rows, small_lake

A, B, C = (f"mysql|customers|{name}" for name in "abc")
FIRM = "salesforce|account|firm"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Three people and a firm, customers of two records each; one pair waits for a decision."""
    with small_lake(tmp_path_factory.mktemp("shared")) as lake:
        for table, rows in {
            CUSTOMER_RECORD: [
                {"record_id": record, "entity_type": "company" if record == FIRM else "person", "full_name": record}
                for record in (A, B, C, FIRM)
            ],
            XREF: [{"record_id": record, "customer_id": record[-1]} for record in (A, B, C)],
            CUSTOMER_360: [{"customer_id": record[-1], "record_count": 2} for record in (A, B, C)],
            REVIEW_QUEUE: [{"record_id_l": A, "record_id_r": B, "reason": "weak bridge", "match_probability": 0.5}],
        }.items():
            insert(lake, table, rows)
        lake.con.execute("USE lake")
        yield lake


@pytest.fixture
def lake(shared: Lake) -> Lake:
    """That lake with an empty inbox: nothing that is decided changes the lake itself."""
    inbox = inbox_of(shared.location)
    inbox.remove(message.id for message in inbox.read().messages)
    return shared


def insert(lake: Lake, table: Table, rows: list[dict[str, object]]) -> None:
    lake.con.register("given", arrow_rows(table, rows))
    lake.con.execute(f"INSERT INTO {table.in_lake} BY NAME FROM given")
    lake.con.unregister("given")


def now(lake: Lake) -> JudgementsNow:
    return lay_over_judgements(lake.con, inbox_of(lake.location).read())


def standing(lake: Lake) -> dict[tuple[str, str], Standing]:
    return {s.newest.pair: s for s in settle(present_judgements(lake.con, judgements=now(lake).relation))}


def test_a_decision_is_seen_before_a_run_takes_it(lake: Lake) -> None:
    before = lake.snapshot().id
    assert count_pairs(lake.con, judgements=now(lake)) == 1
    judge(lake, [A, B], "different", now=NOW)
    assert count_pairs(lake.con, judgements=now(lake)) == 0
    assert list_pairs(lake.con, now=NOW, judgements=now(lake)) == []
    [listed] = list_judgements(lake.con, judgements=now(lake))
    assert (listed["verdict"], listed["holds"], listed["state"]) == ("different", "different holds", WAITS)
    shown = show_pair(lake.con, [A, B], large=1_000, judgements=now(lake))
    assert [(one.verdict, one.state) for one in shown.judgements] == [("different", WAITS)]
    # what the lake holds is as it was
    assert list_judgements(lake.con) == []
    assert lake.snapshot().id == before


def test_of_two_large_customers_a_second_person_decides_although_no_run_came_between(lake: Lake) -> None:
    assert judge(lake, [A, B], "same", now=NOW, large=2).is_waiting
    assert judge(lake, [A, B], "same", now=NOW + timedelta(seconds=1), large=2).is_waiting, "the same person"
    assert standing(lake)[A, B].verdict is None
    assert not judge(lake, [A, B], "same", who="bob", now=NOW + timedelta(seconds=2), large=2).is_waiting
    assert standing(lake)[A, B].verdict == "same"


def test_customers_that_a_waiting_judgement_joins_count_as_one(lake: Lake) -> None:
    assert not judge(lake, [A, B], "same", now=NOW, large=3).is_waiting
    assert not judge(lake, [B, C], "same", now=NOW, large=3).is_waiting, "C is small"
    assert judge(lake, [A, C], "same", now=NOW, large=2).is_waiting is False, "they are one already"


def test_a_judgement_can_be_withdrawn_before_a_run_takes_it(lake: Lake) -> None:
    judge(lake, [A, B], "same", now=NOW)
    judge(lake, [A, B], "withdrawn", now=NOW)
    assert standing(lake) == {}
    [listed] = list_judgements(lake.con, judgements=now(lake))
    assert (listed["verdict"], listed["holds"]) == ("withdrawn", "withdrawn")
    with pytest.raises(UsageError, match="no judgement on this pair"):
        judge(lake, [A, B], "withdrawn", now=NOW)


def test_the_last_judgement_is_the_newest_although_a_clock_was_set_back(lake: Lake) -> None:
    judge(lake, [A, B], "same", now=NOW)
    judge(lake, [A, B], "different", now=NOW - timedelta(hours=1), who="bob")
    assert standing(lake)[A, B].verdict == "different"
    assert [message.body["verdict"] for message in inbox_of(lake.location).read().messages] == ["same", "different"]


def test_what_a_waiting_judgement_overrules_is_named(lake: Lake) -> None:
    judge(lake, [A, B], "same", now=NOW)
    judge(lake, [B, C], "same", now=NOW + timedelta(seconds=1))
    assert len(judge(lake, [A, C], "different", now=NOW + timedelta(seconds=2)).overruled) == 1


def test_a_pair_can_be_named_by_the_id_of_a_waiting_judgement(lake: Lake) -> None:
    decision = judge(lake, [B, C], "same", now=NOW)
    assert judge(lake, [decision.pair_id], "unsure", now=NOW).pair_id == decision.pair_id


@pytest.mark.parametrize(
    ("pair", "verdict", "told"),
    [
        ([A, FIRM], "same", "never one customer"),
        ([A, "mysql|customers|none"], "same", "two different present records"),
        ([A, B], "perhaps", "Unknown verdict perhaps"),
        ([A, B], "withdrawn", "no judgement on this pair"),
    ],
)
def test_what_cannot_be_is_refused_and_not_written(lake: Lake, pair: list[str], verdict: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        judge(lake, pair, verdict, now=NOW)
    assert inbox_of(lake.location).read().messages == ()
