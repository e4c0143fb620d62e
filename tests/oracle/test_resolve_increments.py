"""Day by day gives what all at once gives: edges, clusters and golden records, whatever the order of arrival."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow.resolve import step
from dataflow.resolve.clusters import find_clusters
from dataflow.resolve.edges import find_edges
from dataflow.resolve.epochs import stored_epochs
from dataflow.resolve.spec import SPECS
from dataflow.tables.resolved import EDGE, GOLDEN_CUSTOMER, MATCH_RECORD, XREF
from dataflow.workspace import Workspace
from lakehouse import Lake
from tests.lib.identities import Record, population
from tests.lib.resolving import partition, resolve_day, rows, settings
from tests.lib.tables import small_lake, workspace

KIND = "person"


@pytest.fixture(autouse=True)
def small_caps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Caps that a few dozen records reach, so that keys go over them and come back."""
    for kind, spec in list(SPECS.items()):
        blocking = tuple(replace(rule, cap=min(rule.cap, 4)) for rule in spec.blocking)
        monkeypatch.setitem(SPECS, kind, replace(spec, blocking=blocking))


@pytest.mark.parametrize("seed", [1, 2])
def test_increments_equal_the_batch(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    everyone = [record for _, record in population(seed, people=70).values()]
    chance.shuffle(everyone)
    live = {record["record_id"]: record for record in everyone[:90]}
    waiting = everyone[90:]
    with small_lake(tmp_path) as lake:
        resolve_day(lake, tmp_path, live.values(), day=1)
        for day in (2, 3, 4):
            arrived, waiting = waiting[:15], waiting[15:]
            edited = [_edited(chance, live[i]) for i in chance.sample(sorted(live), k=8)]
            gone = chance.sample(sorted(set(live) - {record["record_id"] for record in edited}), k=5)
            resolve_day(lake, tmp_path, [*arrived, *edited], gone=gone, day=day)
            live |= {record["record_id"]: record for record in [*arrived, *edited]}
            live = {record_id: record for record_id, record in live.items() if record_id not in gone}
            _assert_as_in_one_go(lake, tmp_path)
            _assert_ids_in_order(lake, set(live))


def _edited(chance: random.Random, record: Record) -> Record:
    """A record after its source changed it: moved house, corrected, or somebody else's telephone."""
    change = chance.choice([
        {"street": "New Street", "house_number": "7", "postcode": "99999"},
        {"email_canonical": None, "email": None},
        {"phone": "+15550000001"},
        {"surname": "Changed", "full_name": f"{record['given_name']} Changed"},
        {"date_of_birth": "1950-05-05"},
    ])  # fmt: skip
    return {**record, **change}


def _assert_as_in_one_go(lake: Lake, folder: Path) -> None:
    with workspace(lake, folder, run_id="twin") as ws:
        con = ws.con
        epoch, spec = stored_epochs(ws)[KIND], SPECS[KIND]
        con.execute(f"CREATE TEMP TABLE all_match AS SELECT * EXCLUDE (_run_id) FROM {MATCH_RECORD.sql_name}")
        find_edges(con, "all_match", epoch=epoch, spec=spec, into="all_edge")
        columns = "record_id_l, record_id_r, match_weight, match_probability"
        stored = f"SELECT {columns} FROM {EDGE.sql_name}"
        assert con.execute(f"{stored} EXCEPT SELECT {columns} FROM all_edge").fetchall() == []
        assert con.execute(f"SELECT {columns} FROM all_edge EXCEPT {stored}").fetchall() == []
        find_clusters(con, "all_match", "all_edge", epoch=epoch, spec=spec, into="all_cluster")
        found = partition(con.execute(f"SELECT record_id, customer_id FROM {XREF.sql_name}").fetchall())
        assert found == partition(con.execute("SELECT record_id, cluster FROM all_cluster").fetchall())
        other = f"{XREF.sql_name} x JOIN all_cluster c USING (record_id) WHERE x.confidence <> c.confidence"
        assert con.execute(f"SELECT count(*) FROM {other}").fetchall() == [(0,)]
        _assert_golden(ws)


def _assert_golden(ws: Workspace) -> None:
    """Nothing changes when every customer is worked out again."""
    ws.con.execute("CREATE TEMP TABLE nothing (record_id VARCHAR)")
    ws.con.execute("CREATE TEMP TABLE region AS SELECT record_id FROM all_match")
    step.stage_golden(ws, "all_cluster", changed_records="nothing", trust={
        name: source.trust for name, source in settings().sources.items()
    })  # fmt: skip
    assert ws.changes(GOLDEN_CUSTOMER).changed == 0


def _assert_ids_in_order(lake: Lake, live: set[str]) -> None:
    owners = dict(rows(lake, "SELECT record_id, customer_id FROM lake.resolved.xref"))
    customers = {row[0] for row in rows(lake, "SELECT customer_id FROM lake.resolved.golden_customer")}
    redirects = dict(rows(lake, "SELECT customer_id, to_customer_id FROM lake.resolved.redirect"))
    known = {row[0] for row in rows(lake, "SELECT customer_id FROM lake.resolved.identity_event")}
    assert set(owners) == live
    assert set(owners.values()) == customers
    assert not set(redirects) & customers
    assert set(redirects.values()) <= customers | {None}
    assert known == customers | set(redirects)
    pairs = rows(lake, "SELECT record_id_l, record_id_r FROM lake.ops.review_queue")
    assert all(owners[left] != owners[right] for left, right in pairs)
