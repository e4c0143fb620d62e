"""Whatever people do in an org while runs plan, fetch, land, fail and are killed: nothing is lost, doubled or revived.

A dull twin keeps which versions of records could be seen, and when. Raw must hold each version that stood still while
a run read it, none that never was, each once; and in the end the newest version of each record is what the org has.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from dataflow.errors import DataFlowError
from dataflow.land import FetchedWindow, commit_windows, fetch_window, plan_windows
from dataflow.settings import Settings
from dataflow.sources.salesforce import SalesforceSource, deletions
from dataflow.sources.salesforce.connection import close_connections
from dataflow.workspace.staging import Run
from tests.lib.deliveries import company, opened
from tests.lib.servers.salesforce import Clock, Fault, Org, Simulator, simulator
from tests.lib.servers.salesforce.faults import Kind
from tests.lib.servers.salesforce.org import RecordLocked
from tests.lib.servers.salesforce.tls import Papers
from tests.lib.servers.salesforce_org import NOON, source_settings

Version = tuple[str, datetime, bool, str]
"""Key, stamp, is deleted, what it says."""

KINDS: tuple[Kind, ...] = (
    "expired_session",
    "concurrent_limit",
    "too_many",
    "server_error",
    "unavailable",
    "cut",
    "duplicate_page",
    "lost_row",
    "daily_limit",
)
VERBS = ("insert", "update", "delete", "undelete", "purge", "hard_delete", "hard_delete", "merge")
WRITE = st.tuples(st.sampled_from(VERBS), st.integers(0, 7), st.integers(0, 7), st.sampled_from([0, 0, 30, 599]))
WRITES = st.lists(WRITE, min_size=1, max_size=4)
FAULTS = st.lists(
    st.builds(Fault, st.sampled_from(KINDS), st.just(""), st.integers(0, 6), st.sampled_from([1, 1, 2, 9])), max_size=3
)
PAUSES = st.sampled_from([0, 1, 1, 59, 601, 4000, 20 * 86_400])


class Histories(RuleBasedStateMachine):
    """One org, the people who work in it, its reader, and a lake."""

    papers: Papers

    def __init__(self) -> None:
        super().__init__()
        self.closing = ExitStack()
        self.closing.callback(close_connections)
        home = Path(self.closing.enter_context(tempfile.TemporaryDirectory()))
        self.org = Org(Clock(NOON))
        self.served = self.closing.enter_context(simulator(self.papers, org=self.org, page_rows=3))
        self.served.bulk.page_rows = 2
        self.by_rest = self._settings(home)
        self.by_bulk = self._settings(home, bulk_from_rows=1)
        self.lake = self.closing.enter_context(opened(self.by_rest))
        self.keys: list[str] = []
        self.numbers = itertools.count(1)
        self.runs = itertools.count(1)
        self.seen: set[Version] = set()
        self.must: set[Version] = set()
        self.log_is_whole = True
        self.is_forgetful = False

    @initialize(is_forgetful=st.booleans())
    def choose(self, is_forgetful: bool) -> None:
        """In half of the histories the log of deletions tells all, and must have been listened to."""
        self.is_forgetful = is_forgetful

    def _settings(self, home: Path, **section: Any) -> Settings:
        declared = source_settings(self.served, attempts=3, **section)
        contact = declared.objects["contact"].model_copy(update={"on_drift": "set_aside"})
        declared = declared.model_copy(update={"objects": {"contact": contact}})
        return company(home).model_copy(update={"sources": {"sf": declared}})

    @rule(writes=WRITES, pause=PAUSES)
    def work(self, writes: list[tuple[str, int, int, float]], pause: float) -> None:
        for write in writes:
            self._write(*write)
        self._wait(pause if self.is_forgetful else min(pause, 4000))

    @precondition(lambda self: self.is_forgetful)
    @rule()
    def forget(self) -> None:
        """Salesforce purges its log of deletions."""
        self.org.purge_log(self.org.clock.now())
        self.log_is_whole = False

    @rule(
        by_bulk=st.booleans(),
        faults=FAULTS,
        race=st.tuples(st.integers(1, 8), WRITES),
        is_killed=st.sampled_from([False, False, False, True]),
    )
    def ingest(
        self, by_bulk: bool, faults: list[Fault], race: tuple[int, list[tuple[str, int, int, float]]], is_killed: bool
    ) -> None:
        """One run, while others write: calls fail, and it may die before it commits."""
        self.served.faults.add(*faults)
        self.served.before_call = self._interfere(*race)
        with suppress(DataFlowError):  # nothing was landed; the next run goes on from there
            self._run(self.by_bulk if by_bulk else self.by_rest, is_killed=is_killed)
        self.served.before_call = None
        self.served.faults.clear()

    @rule(writes=WRITES)
    def ingest_then_work(self, writes: list[tuple[str, int, int, float]]) -> None:
        """A run that nothing disturbs, so that what is written next is written to rows that raw holds."""
        self._wait(1)
        self._run(self.by_rest, is_killed=False)
        for write in writes:
            self._write(*write)

    def teardown(self) -> None:
        try:
            self._wait(700)
            for _ in range(2):  # the first closes what was left open
                self._run(self.by_rest, is_killed=False)
                self._wait(1)
            self._check()
        finally:
            self.closing.close()

    def _run(self, settings: Settings, *, is_killed: bool) -> None:
        run = Run(f"run-{next(self.runs)}", "daily", self.org.clock.now())
        planned = plan_windows(self.lake, settings)
        before = self._visible()
        fetched = [fetch_window(one, settings, run) for one in planned]
        stood_still = before & self._visible()
        if is_killed:
            return
        commit_windows(self.lake, fetched, run)
        if fetched and not any(_is_short(window) for window in fetched):
            until = max(window.planned.window.until for window in fetched)
            self.must |= {version for version in stood_still if version[1] < until}

    def _interfere(self, call: int, writes: list[tuple[str, int, int, float]]) -> Callable[[], None]:
        calls = itertools.count(1)

        def before_call() -> None:
            if next(calls) == call:
                for write in writes:
                    self._write(*write)
                self._wait(1)

        return before_call

    def _write(self, verb: str, one: int, other: int, commit_after: float) -> None:
        """Do it, where the org allows it."""
        if verb == "insert" or not self.keys:
            self.keys.append(self.org.insert("Contact", LastName=self._name(), commit_after=commit_after))
        else:
            key, loser = self.keys[one % len(self.keys)], self.keys[other % len(self.keys)]
            with suppress(KeyError, RecordLocked):
                self._change(verb, key, loser, commit_after)
        self.seen |= self._visible()

    def _change(self, verb: str, key: str, loser: str, commit_after: float) -> None:
        if verb == "update":
            self.org.update("Contact", key, LastName=self._name(), commit_after=commit_after)
        elif verb == "delete":
            self.org.delete("Contact", key, commit_after=commit_after)
        elif verb == "merge":
            if key != loser and {key, loser} <= {row["Id"] for row in self.org.visible("Contact")}:
                self.org.merge("Contact", key, loser)
        else:
            getattr(self.org, verb)("Contact", key)

    def _wait(self, seconds: float) -> None:
        self.org.clock.advance(seconds)
        self.log_is_whole &= seconds < 86_400
        self.seen |= self._visible()

    def _name(self) -> str:
        return f"Name {next(self.numbers)}"

    def _visible(self) -> set[Version]:
        rows = self.org.visible("Contact", with_deleted=True)
        return {(row["Id"], row["SystemModstamp"], row["IsDeleted"], row["LastName"]) for row in rows}

    def _raw(self) -> Iterator[tuple[str, datetime, bool, dict[str, Any]]]:
        order = "_record_key, _changed_at, _is_deleted, _extracted_at, _row_hash"
        columns = "_record_key, _changed_at, _is_deleted, payload"
        for row in self.lake.con.execute(f"SELECT {columns} FROM lake.raw.sf_contact ORDER BY {order}").fetchall():
            yield row[0], row[1], row[2], json.loads(row[3])

    def _check(self) -> None:
        landed = list(self._raw())
        versions = [(key, at, gone, told["LastName"]) for key, at, gone, told in landed if "LastName" in told]
        assert len(versions) == len(set(versions)), "doubled"
        assert not self.must - set(versions), "lost"
        assert not set(versions) - self.seen, "never there"
        newest = {key: (at, gone, told) for key, at, gone, told in landed}
        missing = self._missing(sorted(key for key, (_, gone, _) in newest.items() if not gone))
        assert not (missing and self.log_is_whole), "a deletion that only the keys tell"
        for key, at, gone, name in self._visible():
            assert newest[key][:2] == (at, gone)
            assert newest[key][2]["LastName"] == name
        alive = {key for key, (_, gone, _) in newest.items() if not gone} - missing
        assert alive == {row["Id"] for row in self.org.visible("Contact")}

    def _missing(self, known: list[str]) -> set[str]:
        source = SalesforceSource("sf", self.by_rest.sources["sf"])
        return set(source.missing_keys("contact", iter(known)))


def _is_short(window: FetchedWindow) -> bool:
    return (window.report.promised or 0) > window.report.rows


def machine(papers: Papers) -> type[Histories]:
    return type("Histories", (Histories,), {"papers": papers})


def test_histories_of_an_org(salesforce_papers: Papers, rounds: Callable[[int, int], int]) -> None:
    chosen = hypothesis_settings(max_examples=rounds(2, 200), stateful_step_count=14, deadline=None)
    run_state_machine_as_test(machine(salesforce_papers), settings=chosen)


@pytest.mark.parametrize("listens", [True, False])
def test_a_history_tells_whether_the_log_of_deletions_was_listened_to(
    salesforce_papers: Papers, monkeypatch: pytest.MonkeyPatch, listens: bool
) -> None:
    """What went without a word to a deaf reader, the keys tell: that is how the histories would find it out."""
    if not listens:
        monkeypatch.setattr(deletions, "read_log", lambda *_: {})
    history = machine(salesforce_papers)()
    history.choose(is_forgetful=False)
    history.ingest_then_work([("insert", 0, 0, 0)])
    history.ingest_then_work([("hard_delete", 0, 0, 0)])
    with nullcontext() if listens else pytest.raises(AssertionError, match="a deletion that only the keys tell"):
        history.teardown()


def test_a_row_that_was_left_out_is_repaired_by_the_next_run(salesforce: Simulator, tmp_path: Path) -> None:
    """However late that is: the window is on record as a gap, and the watermark waits for it."""
    declared = source_settings(salesforce, bulk_from_rows=1)
    settings = company(tmp_path).model_copy(update={"sources": {"sf": declared}})
    for number in range(5):
        salesforce.org.insert("Contact", LastName=f"Name {number}")
    salesforce.org.clock.advance(3600)
    salesforce.org.insert("Contact", LastName="later")
    salesforce.org.clock.advance(1)
    salesforce.bulk.page_rows = 2
    salesforce.faults.add(Fault("lost_row", r"results\?"))
    with opened(settings) as lake:
        for number, landed in enumerate([5, 6, 6]):
            run = Run(f"run-{number}", "daily", salesforce.org.clock.now())
            windows = [fetch_window(one, settings, run) for one in plan_windows(lake, settings)]
            commit_windows(lake, windows, run)
            assert lake.con.execute("SELECT count(*) FROM lake.raw.sf_contact").fetchall() == [(landed,)]
            salesforce.org.clock.advance(86_400)
