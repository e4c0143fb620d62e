"""A judgement over the days: published alone, inactive, active again, found under a new key, kept by a new model."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dataflow.govern.review.decisions import list_judgements
from dataflow.resolve.step import resolve
from dataflow.run.taking import take_inbox
from dataflow.tables.resolved import MATCH_RECORD, XREF
from lakehouse import Lake
from tests.lib.identities import Record, person, population
from tests.lib.inboxes import inbox_of
from tests.lib.resolving import judge, resolve_day, rows, settings
from tests.lib.tables import NOW, small_lake, workspace

CHANCE = random.Random(21)
ANN = person(CHANCE, 8101)
ANN_CRM: Record = {**ANN, "record_id": "salesforce|contact|ann", "_source": "salesforce"}
ANN_SHOP: Record = {**ANN, "record_id": "mysql|customers|ann", "_source": "mysql", "street": None}
BOB: Record = {**person(CHANCE, 8102), "record_id": "mysql|customers|bob", "_source": "mysql"}
BOB_AGAIN: Record = {**BOB, "record_id": "mysql|customers|4711"}
PEOPLE = [record for _, record in population(3, people=25).values()]


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with small_lake(tmp_path) as lake:
        resolve_day(lake, tmp_path, [*PEOPLE, ANN_CRM, ANN_SHOP, BOB], day=1)
        yield lake


def say(lake: Lake, left: Record, right: Record, verdict: str, *, second: int) -> None:
    pair = [left["record_id"], right["record_id"]]
    now = NOW + timedelta(days=1, seconds=second)
    judge(lake, pair, verdict, now=now, large=100)


def owner(lake: Lake, record: Record) -> str | None:
    found = rows(lake, f"SELECT customer_id FROM lake.resolved.xref WHERE record_id = '{record['record_id']}'")
    return found[0][0] if found else None


def holds(lake: Lake) -> list[str]:
    """Return what holds of each judgement, newest first."""
    con = lake.cursor()
    con.execute("USE lake")
    return [row["holds"] for row in list_judgements(con)]


def test_a_judgement_in_the_days_after_it(lake: Lake, tmp_path: Path) -> None:
    assert owner(lake, ANN_CRM) == owner(lake, ANN_SHOP) != owner(lake, BOB)
    say(lake, ANN_CRM, ANN_SHOP, "different", second=1)
    say(lake, ANN_CRM, BOB, "same", second=2)

    # nothing else is new: the judgement alone is published, and no other record is compared
    with workspace(lake, tmp_path, now=NOW + timedelta(days=2), run_id="run2") as ws:
        inbox = inbox_of(lake.location)
        taken = take_inbox(ws, settings(), inbox)
        resolve(ws, settings())
        assert ws.changes(MATCH_RECORD).changed == 0
        assert 0 < ws.changes(XREF).changed <= 3
        lake.transact(ws.write, author="test", run_id="run2", message="resolved")
        inbox.remove(taken.ids)
    assert owner(lake, ANN_CRM) == owner(lake, BOB) != owner(lake, ANN_SHOP)
    assert holds(lake) == ["same holds", "different holds"]

    # a judgement on a record that is gone is inactive, the other one holds
    resolve_day(lake, tmp_path, [], gone=[BOB["record_id"]], day=3)
    assert owner(lake, ANN_CRM) != owner(lake, ANN_SHOP)
    assert holds(lake) == ["inactive: a record is gone", "different holds"]

    # the record returns under another key, the model is trained again, and every judgement holds
    resolve_day(lake, tmp_path, [BOB_AGAIN], day=4, retrain=True)
    assert owner(lake, ANN_CRM) == owner(lake, BOB_AGAIN) != owner(lake, ANN_SHOP)
    assert holds(lake) == ["same holds", "different holds"]

    # what cannot all hold has one outcome, and is told: who is different stays so, the newest same holds
    say(lake, ANN_SHOP, BOB_AGAIN, "same", second=3)
    resolve_day(lake, tmp_path, [], day=5)
    assert owner(lake, ANN_SHOP) == owner(lake, BOB_AGAIN) != owner(lake, ANN_CRM)
    assert holds(lake) == ["same holds", "contradicted: other judgements rule it out", "different holds"]
    reasons = rows(lake, "SELECT reason FROM lake.ops.review_queue WHERE reason = 'contradiction'")
    assert reasons == [("contradiction",)]
