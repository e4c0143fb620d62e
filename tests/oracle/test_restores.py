"""Random histories of landings, runs, deaths, expiries and restores end as the same history without a restore.

The twin lands the same rows and makes only those runs that no restore took back.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dataflow.govern.restore import restore
from dataflow.tables.declared import declared_objects
from dataflow.tables.published import CUSTOMER_360, CUSTOMER_HISTORY
from dataflow.workspace.position import needed_after
from lakehouse import clean_up, expire
from lakehouse import lake as lake_module
from lakehouse.table import column_list
from tests.lib.dead_letter_states import states_by_events, states_by_status
from tests.lib.small_company import Company, company_settings, opened_company, person, purchase

_THE_END = datetime.max.replace(tzinfo=UTC)

Row = tuple[str, dict[str, Any]]
State = dict[str, list[tuple[Any, ...]]]


def _row(kind: str, number: int, day: int, flaw: bool) -> Row:
    """A person, without a surname or gone where it has a flaw; or a purchase, whose flaw is an unknown person."""
    if kind == "purchase":
        return kind, purchase(number, of=number + 50 * flaw, day=day)
    flaws = {"surname": ""} if number % 2 else {"gone": f"2026-03-{day:02} 12:00:00"}
    return kind, person(number, day=day, given=f"Ann {day}", **(flaws if flaw else {}))


_ROWS = st.builds(_row, st.sampled_from(["person", "purchase"]), st.integers(1, 4), st.integers(1, 9), st.booleans())
_LANDING = st.tuples(st.just("land"), _ROWS)
# Rows that no earlier landing had: a restore that forgets them is seen.
_NEWS = st.tuples(st.just("land"), st.builds(_row, st.just("person"), st.integers(5, 9), st.just(1), st.just(False)))
_RESTORE = st.tuples(st.sampled_from(["restore", "restore", "killed restore"]), st.integers(0, 3))
_OTHER = st.tuples(st.sampled_from(["run", "run", "killed run", "maintain", "expire"]), st.just(0))
# A history without two runs and a restore after them says nothing here.
_HISTORIES = st.tuples(
    st.lists(_LANDING, min_size=1, max_size=2),
    st.just([("run", 0)]),
    st.tuples(_NEWS).map(list),
    st.lists(_LANDING, max_size=1),
    st.just([("run", 0)]),
    st.lists(st.one_of(_LANDING, _OTHER, _RESTORE), max_size=3),
    st.lists(_RESTORE, min_size=1, max_size=1),
    st.lists(st.one_of(_LANDING, _OTHER, _RESTORE), max_size=3),
).map(lambda parts: list(itertools.chain.from_iterable(parts)))


class _Killed(Exception):
    """Stands for the death of a process inside its transaction."""


@contextmanager
def _dying_before_the_commit() -> Iterator[None]:
    """Let each transaction write all it has, and then end."""
    commit = lake_module.commit

    def killed(con: Any, work: Callable[[Any], Any], **facts: Any) -> Any:
        def write_and_die(inner: Any) -> None:
            work(inner)
            raise _Killed

        return commit(con, write_and_die, **facts)

    lake_module.commit = killed
    try:
        with pytest.raises(_Killed):
            yield
    finally:
        lake_module.commit = commit


@dataclass
class History:
    """A company to which events happen. `runs` are those that count, each by how many rows had landed before it."""

    company: Company
    run: Callable[[Company], object]
    landed: list[Row] = field(default_factory=list)
    runs: tuple[int, ...] = ()
    points: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """By the snapshot of each publication: the runs that count there."""

    def apply(self, kind: str, value: Any) -> None:
        lake = self.company.lake
        match kind:
            case "land":
                self.landed.append(value)
                self.company.land(value[0], value[1])
            case "run":
                self.run(self.company)
                self.runs += (len(self.landed),)
                self.points[lake.snapshot().id] = self.runs
            case "killed run":
                # Only one that has something to commit can die in it.
                if len(self.landed) > max(self.runs, default=0):
                    with _dying_before_the_commit():
                        self.run(self.company)
            case "maintain":
                self._expire(needed_after=needed_after(lake, declared_objects(self.company.settings)))
            case "expire":
                self._expire(keep=list(self.points))
            case _:
                self._restore(value, is_killed=kind == "killed restore")

    def _expire(self, **options: Any) -> None:
        expire(self.company.lake, older_than=_THE_END, **options)
        clean_up(self.company.lake)

    def _restore(self, number: int, *, is_killed: bool) -> None:
        alive = {snapshot.id for snapshot in self.company.lake.snapshots()}
        targets = [point for point in self.points if point in alive]
        if not targets:
            return
        target = targets[number % len(targets)]
        if is_killed:
            with _dying_before_the_commit():
                restore(self.company.lake, self.company.settings, target)
            return
        restore(self.company.lake, self.company.settings, target)
        self.runs = self.points[target]

    def never_restored(self) -> list[tuple[str, Any]]:
        """The same landings, and the runs that count."""
        events: list[tuple[str, Any]] = []
        for number in range(len(self.landed) + 1):
            events += [("run", 0)] * self.runs.count(number)
            events += [("land", row) for row in self.landed[number : number + 1]]
        return events


@dataclass
class Lakes:
    """Lakes of the company, each a copy of one whose tables are there."""

    folder: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        with opened_company(company_settings(self.folder / "template")):
            pass

    def play(
        self, events: list[tuple[str, Any]], run: Callable[[Company], object], schemas: tuple[str, ...]
    ) -> tuple[State, History]:
        """The state in which these events and a last run leave a new lake."""
        place = self.folder / str(next(self.numbers))
        shutil.copytree(self.folder / "template", place)
        try:
            with opened_company(company_settings(place)) as company:
                history = History(company, run)
                for kind, value in [*events, ("run", 0)]:
                    history.apply(kind, value)
                    events_of_rows = states_by_events(company.lake)
                    assert {one: events_of_rows.get(one) for one in states_by_status(company.lake)} == (
                        states_by_status(company.lake)
                    )
                state = company.state(*schemas)
                # What a publication was like beside those before it: the two lakes had other ones in between.
                state.pop("ops.baseline", None)
                state.pop("ops.kpi_bridge", None)
                if "published.customer_history" in state:
                    # A restore ends states and opens others; the present ones are those of the twin.
                    profile = column_list(name for name in CUSTOMER_360.column_names if name != "_run_id")
                    state["published.customer_history"] = company.rows(
                        f"SELECT {profile} FROM {CUSTOMER_HISTORY.in_lake} WHERE valid_to IS NULL ORDER BY ALL"
                    )
                return state, history
        finally:
            shutil.rmtree(place)


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Lakes:
    return Lakes(tmp_path_factory.mktemp("restores"))


def _holds(lakes: Lakes, run: Callable[[Company], object], *, examples: int, schemas: tuple[str, ...] = ()) -> None:
    @hypothesis_settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
    @given(_HISTORIES)
    def check(events: list[tuple[str, Any]]) -> None:
        found, history = lakes.play(events, run, schemas)
        # The last run is one of them: play adds it.
        expected, _ = lakes.play(history.never_restored()[:-1], run, schemas)
        assert found == expected

    check()


def test_validated_rows_and_dead_letters(lakes: Lakes, rounds: Callable[[int, int], int]) -> None:
    _holds(lakes, Company.validate, examples=rounds(1, 300), schemas=("raw", "valid", "ops"))


def test_published_rows(lakes: Lakes, rounds: Callable[[int, int], int]) -> None:
    _holds(lakes, Company.publish, examples=rounds(1, 50))
