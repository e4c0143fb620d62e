"""Any history gives what its end gives in one go: edges, clusters, golden records, the queue; and ids stay in order.

Records arrive, change, go, come back and are given other keys; stewards speak and take it back; the model is trained
anew; runs happen when they happen.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from dataflow.resolve.clusters.clusters import find_clusters
from dataflow.resolve.comparisons import SPECS
from dataflow.resolve.customers.customers import stage_golden
from dataflow.resolve.customers.review_queue import stage_review
from dataflow.resolve.pairs.edges import find_edges
from dataflow.resolve.training.epochs import stored_epochs
from dataflow.tables.ops import REVIEW_QUEUE
from dataflow.tables.resolved import EDGE, GOLDEN_CUSTOMER, JUDGED_PAIR, MATCH_RECORD, OTHER_VALUE, XREF
from dataflow.workspace.workspace import Workspace
from lakehouse import Lake
from tests.lib.identities import Record, population
from tests.lib.resolving import judge, partition, resolve_day, rows, settings
from tests.lib.steward_twin import Stewards
from tests.lib.tables import NOW, small_lake, workspace

KIND = "person"
PICKS = st.integers(min_value=0, max_value=10_000)
CHANGES = st.sampled_from([
    {"street": "New Street", "house_number": "7", "postcode": "99999"},
    {"email_canonical": None, "email": None},
    {"phone": "+15550000001"},
    {"surname": "Changed", "full_name": "Somebody Changed"},
    {"date_of_birth": "1950-05-05"},
])  # fmt: skip
EVERYONE = {record["record_id"]: record for _, record in population(1, people=45).values()}


@pytest.fixture(autouse=True)
def small_caps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Caps that a few dozen records reach, so that keys go over them and come back."""
    for kind, spec in list(SPECS.items()):
        blocking = tuple(replace(rule, cap=min(rule.cap, 4)) for rule in spec.blocking)
        monkeypatch.setitem(SPECS, kind, replace(spec, blocking=blocking))


@pytest.fixture
def resolved_day(tmp_path: Path) -> Iterator[tuple[Path, dict[str, Record]]]:
    """A folder whose lake has resolved most of the population."""
    chosen = random.Random(4).sample(sorted(EVERYONE), k=len(EVERYONE) * 3 // 4)
    records = {record_id: EVERYONE[record_id] for record_id in chosen}
    with small_lake(tmp_path / "first") as lake:
        resolve_day(lake, tmp_path / "first", records.values(), day=1)
    yield tmp_path / "first", records


def test_any_history_equals_its_end_in_one_go(
    resolved_day: tuple[Path, dict[str, Record]], rounds: Callable[[int, int], int]
) -> None:
    run_state_machine_as_test(
        lambda: History(*resolved_day),
        settings=hypothesis_settings(
            max_examples=rounds(1, 300), stateful_step_count=rounds(16, 30), deadline=None, print_blob=True
        ),
    )


class History(RuleBasedStateMachine):
    """`world` is what the sources hold, `seen` what the last run saw of it."""

    def __init__(self, first_day: Path, records: dict[str, Record]) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copytree(first_day, self.folder, dirs_exist_ok=True)
        self._open = ExitStack()
        self.lake: Lake = self._open.enter_context(small_lake(self.folder))
        self.seen, self.world = dict(records), dict(records)
        self.stewards = Stewards()
        self.day, self.retrainings, self.is_retraining = 1, 0, False
        self.owners = owners(self.lake)

    def teardown(self) -> None:
        try:
            self.publish()
        finally:
            self._open.close()
            shutil.rmtree(self.folder)

    @rule(pick=PICKS)
    def arrive_or_come_back(self, pick: int) -> None:
        away = sorted(set(EVERYONE) - set(self.world))
        if away:
            self.world[away[pick % len(away)]] = EVERYONE[away[pick % len(away)]]

    @rule(pick=PICKS, change=CHANGES)
    def edit(self, pick: int, change: Record) -> None:
        record = self._one(pick)
        self.world[record] = {**self.world[record], **change}

    @rule(pick=PICKS)
    def delete(self, pick: int) -> None:
        del self.world[self._one(pick)]

    @precondition(lambda self: self.stewards.judgements)
    @rule(pick=PICKS, at_once=st.booleans())
    def rekey_or_delete_a_judged_record(self, pick: int, at_once: bool) -> None:
        named = sorted(record for record in self.stewards.today if record in self.world)
        if named:
            record = named[pick % len(named)]
            source, name, key = record.split("|")
            other = f"{source}|{name}|{key}-{self.day}"
            if at_once:
                self.world[other] = {**self.world[record], "record_id": other}
            del self.world[record]

    @rule(pick=PICKS, sibling=st.booleans(), verdict=st.sampled_from(["same", "same", "different", "unsure"]))
    def judge(self, pick: int, sibling: bool, verdict: str) -> None:
        left = sorted(self.seen)[pick % len(self.seen)]
        others = sorted(set(self.seen) - {left})
        kin = [record for record in others if record.split("|")[2][:4] == left.split("|")[2][:4]]
        right = kin[pick % len(kin)] if sibling and kin else others[pick * 7 % min(len(others), 12)]
        self._say(left, right, verdict)

    @precondition(lambda self: self.stewards.judgements)
    @rule(pick=PICKS)
    def withdraw(self, pick: int) -> None:
        standing = sorted(self.stewards.holding())
        there = [pair for pair in standing if pair[0] in self.seen and pair[1] in self.seen]
        if there:
            self._say(*there[pick % len(there)], "withdrawn")

    @precondition(lambda self: self.retrainings < 1)
    @rule()
    def retrain(self) -> None:
        self.retrainings += 1
        self.is_retraining = True

    @rule()
    def publish(self) -> None:
        self.day += 1
        changed = [record for record_id, record in self.world.items() if self.seen.get(record_id) != record]
        gone = sorted(set(self.seen) - set(self.world))
        resolve_day(self.lake, self.folder, changed, gone=gone, day=self.day, retrain=self.is_retraining)
        self.is_retraining = False
        self.seen = dict(self.world)
        self.stewards.publish(self.seen)
        before, self.owners = self.owners, owners(self.lake)
        self._assert_judgements_hold()
        self._assert_as_in_one_go()
        assert_ids_in_order(self.lake, set(self.seen), before)

    def _one(self, pick: int) -> str:
        return sorted(self.world)[pick % len(self.world)]

    def _say(self, left: str, right: str, verdict: str) -> None:
        number = len(self.stewards.judgements)
        now = NOW + timedelta(days=self.day, seconds=number)
        judge(self.lake, [left, right], verdict, who=f"steward {number % 3}", now=now)
        self.stewards.judge(left, right, verdict, self.seen)

    def _assert_judgements_hold(self) -> None:
        holding = self.stewards.holding()
        found = rows(
            self.lake, f"SELECT record_id_l, record_id_r, verdict, is_contradicted FROM lake.{JUDGED_PAIR.sql_name}"
        )
        assert {(left, right): (verdict, out) for left, right, verdict, out in found} == holding
        for (left, right), (verdict, is_contradicted) in holding.items():
            if verdict == "different":
                assert self.owners[left] != self.owners[right]
            elif verdict == "same" and not is_contradicted:
                assert self.owners[left] == self.owners[right]
        assert rows(self.lake, "SELECT count(*) FROM lake.ops.judgement") == [(len(self.stewards.judgements),)]

    def _assert_as_in_one_go(self) -> None:
        with workspace(self.lake, self.folder, run_id="twin") as ws:
            con = ws.con
            epoch, spec = stored_epochs(ws)[KIND], SPECS[KIND]
            con.execute(f"CREATE TEMP TABLE all_match AS SELECT * EXCLUDE (_run_id) FROM {MATCH_RECORD.sql_name}")
            find_edges(con, "all_match", epoch=epoch, spec=spec, into="all_edge")
            columns = "record_id_l, record_id_r, match_weight, match_probability"
            stored = f"SELECT {columns} FROM {EDGE.sql_name}"
            assert con.execute(f"{stored} EXCEPT SELECT {columns} FROM all_edge").fetchall() == []
            assert con.execute(f"SELECT {columns} FROM all_edge EXCEPT {stored}").fetchall() == []
            self._lay_out_judgements(ws)
            find_clusters(
                con,
                "all_match",
                "all_edge",
                link_threshold=epoch.link_threshold,
                into="all_cluster",
                judgements="judgement",
                contradiction=epoch.contradiction,
            )
            assert partition(self.owners.items()) == partition(
                con.execute("SELECT record_id, cluster FROM all_cluster").fetchall()
            )
            other = f"{XREF.sql_name} x JOIN all_cluster c USING (record_id) WHERE x.confidence <> c.confidence"
            assert con.execute(f"SELECT count(*) FROM {other}").fetchall() == [(0,)]
            assert_nothing_left_to_do(ws, epoch.link_threshold)

    def _lay_out_judgements(self, ws: Workspace) -> None:
        ws.con.execute("CREATE TEMP TABLE judgement (record_id_l VARCHAR, record_id_r VARCHAR, verdict VARCHAR)")
        for (left, right), (verdict, is_contradicted) in self.stewards.holding().items():
            if not is_contradicted:
                ws.con.execute("INSERT INTO judgement VALUES (?, ?, ?)", [left, right, verdict])


def owners(lake: Lake) -> dict[str, str]:
    """Record to customer."""
    return dict(rows(lake, "SELECT record_id, customer_id FROM lake.resolved.xref"))


def assert_nothing_left_to_do(ws: Workspace, link_threshold: float) -> None:
    """Golden records, lost values and the queue do not change when all of them are worked out again."""
    ws.con.execute("CREATE TEMP TABLE nothing (record_id VARCHAR)")
    ws.con.execute("CREATE TEMP TABLE region AS SELECT record_id FROM all_match")
    trust = {name: source.trust for name, source in settings().sources.items()}
    stage_golden(ws, "all_cluster", changed_records="nothing", trust=trust)
    stage_review(ws, "all_cluster", link_thresholds={KIND: link_threshold})
    for table in (GOLDEN_CUSTOMER, OTHER_VALUE, REVIEW_QUEUE):
        assert ws.changes(table).changed == 0, table.full_name


def assert_ids_in_order(lake: Lake, live: set[str], before: dict[str, str]) -> None:
    now = owners(lake)
    customers = {row[0] for row in rows(lake, "SELECT customer_id FROM lake.resolved.golden_customer")}
    redirects = dict(rows(lake, "SELECT customer_id, to_customer_id FROM lake.resolved.redirect"))
    known = {row[0] for row in rows(lake, "SELECT customer_id FROM lake.resolved.identity_event")}
    assert set(now) == live
    assert set(now.values()) == customers
    assert not set(redirects) & customers
    assert set(redirects.values()) <= customers | {None}
    assert known == customers | set(redirects)
    # who is the same as before has the same id; and an id is led to where most of its records went
    assert {now[min(group)] for group in partition(before.items()) & partition(now.items())} == {
        before[min(group)] for group in partition(before.items()) & partition(now.items())
    }
    for customer in set(before.values()) & set(redirects):
        went = {now[record] for record, owner in before.items() if owner == customer and record in now}
        assert redirects[customer] in went or not went
    queued = rows(lake, "SELECT record_id_l, record_id_r, reason FROM lake.ops.review_queue")
    assert all((now[left] == now[right]) == (reason == "weak link") for left, right, reason in queued
               if reason not in ("contradiction", "second person"))  # fmt: skip
