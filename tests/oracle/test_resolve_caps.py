"""Keys that cross their caps, both ways: the edges are those of all records at once, and only changed pairs are scored.

A crowd says nearly the same of itself, so that a record that comes or goes takes keys of all others over their caps or
back, and with them the candidates among records about whom nothing is new.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dataflow.resolve.comparisons import SPECS
from dataflow.resolve.pairs.edges import find_edges
from dataflow.resolve.training.epochs import stored_epochs
from dataflow.tables.resolved import EDGE, MATCH_RECORD
from lakehouse import Lake
from tests.lib.identities import Record, person, population
from tests.lib.resolving import resolve_day, rows
from tests.lib.tables import small_lake, workspace

KIND, CAP = "person", 4
ONE = person(random.Random(7), 900)
# one more than a key may have that say the very same, and some that differ in a few keys and keep the others
VARIANTS: list[Record] = [
    *({} for _ in range(CAP + 1)),
    {"phone": None},
    {"email": None, "email_canonical": None, "email_domain": None},
    {"street": "Elsewhere", "house_number": "401", "postcode": "99999", "city": "Far"},
    {"date_of_birth": None},
    {"given_name": ONE["given_name"][0], "full_name": f"{ONE['given_name'][0]} {ONE['surname']}"},
]
CROWD = [
    {**ONE, **variant, "record_id": f"mysql|crowd|{number}", "_source": "mysql"}
    for number, variant in enumerate(VARIANTS)
]
Pairs = set[tuple[str, str]]


@pytest.fixture(scope="module", autouse=True)
def small_caps() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for kind, spec in list(SPECS.items()):
            blocking = tuple(replace(rule, cap=min(rule.cap, CAP)) for rule in spec.blocking)
            patch.setitem(SPECS, kind, replace(spec, blocking=blocking))
        yield


@pytest.fixture(scope="module")
def trained(small_caps: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose lake knows a model, and nobody of the crowd."""
    folder = tmp_path_factory.mktemp("trained")
    with small_lake(folder) as lake:
        resolve_day(lake, folder, [record for _, record in population(1, people=45).values()], day=1)
    return folder


@contextmanager
def lake_of(trained: Path, folder: Path) -> Iterator[Lake]:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(trained, folder)
    with small_lake(folder) as lake:
        yield lake


def present(lake: Lake, folder: Path, before: set[int], now: set[int], day: int) -> int:
    """Publish a day after which these of the crowd are there; returns how many pairs were compared."""
    gone = [CROWD[number]["record_id"] for number in before - now]
    report = resolve_day(lake, folder, [CROWD[number] for number in now - before], gone=gone, day=day)
    compared = report.facts["compared_pairs"]
    assert isinstance(compared, int)
    return compared


def edges_among_crowd(lake: Lake) -> Pairs:
    found = rows(lake, f"SELECT record_id_l, record_id_r FROM lake.{EDGE.sql_name} WHERE record_id_l LIKE '%|crowd|%'")
    return {(left, right) for left, right in found}


def assert_edges_of_all_at_once(lake: Lake, folder: Path) -> None:
    with workspace(lake, folder, run_id="twin") as ws:
        epoch = stored_epochs(ws)[KIND]
        find_edges(ws.con, MATCH_RECORD.sql_name, epoch=epoch, spec=SPECS[KIND], into="all_edge")
        columns = "record_id_l, record_id_r, match_weight, match_probability"
        stored = f"SELECT {columns} FROM {EDGE.sql_name}"
        assert ws.con.execute(f"{stored} EXCEPT SELECT {columns} FROM all_edge").fetchall() == []
        assert ws.con.execute(f"SELECT {columns} FROM all_edge EXCEPT {stored}").fetchall() == []


def test_one_too_many_takes_the_edges_of_the_others_with_it_and_its_going_gives_them_back(
    trained: Path, tmp_path: Path
) -> None:
    alike, one_more = set(range(CAP)), set(range(CAP + 1))
    with lake_of(trained, tmp_path / "lake") as lake:
        present(lake, tmp_path / "lake", set(), alike, 2)
        full = edges_among_crowd(lake)
        assert len(full) == CAP * (CAP - 1) // 2
        assert present(lake, tmp_path / "lake", alike, one_more, 3) == 0
        assert edges_among_crowd(lake) == set()
        assert present(lake, tmp_path / "lake", one_more, alike, 4) == len(full)
        assert edges_among_crowd(lake) == full


def test_an_edge_that_keeps_a_key_is_kept_and_not_scored_again(trained: Path, tmp_path: Path) -> None:
    elsewhere = CAP + 3
    alike = set(range(CAP))
    with lake_of(trained, tmp_path / "lake") as lake:
        present(lake, tmp_path / "lake", set(), alike, 2)
        full = edges_among_crowd(lake)
        # who moved takes name, birth, mailbox and telephone over their caps, and not what is of the address
        assert present(lake, tmp_path / "lake", alike, alike | {elsewhere}, 3) == 0
        assert edges_among_crowd(lake) == full
        assert_edges_of_all_at_once(lake, tmp_path / "lake")


def test_any_crowd_on_any_day(trained: Path, tmp_path: Path, rounds: Callable[[int, int], int]) -> None:
    @hypothesis_settings(
        max_examples=rounds(2, 200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(days=st.lists(st.sets(st.integers(0, len(CROWD) - 1)), min_size=2, max_size=4))
    def try_out(days: list[set[int]]) -> None:
        with lake_of(trained, tmp_path / "lake") as lake:
            before: set[int] = set()
            for day, now in enumerate(days, start=2):
                present(lake, tmp_path / "lake", before, now, day)
                assert_edges_of_all_at_once(lake, tmp_path / "lake")
                before = now

    try_out()
