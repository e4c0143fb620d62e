"""Deliveries in any order, repeated, rewritten, late, in one commit or in many, against a dull twin: a set."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.land import commit_window, commit_windows, fetch_window, plan_windows
from lakehouse import Lake
from tests.lib.deliveries import company, deliver_deleted, deliver_pages, opened, person, run

VERSION = st.tuples(st.sampled_from("abc"), st.sampled_from(["", "Ann", "Anna"]), st.integers(1, 4))
TOMBSTONE = st.tuples(st.sampled_from("abc"), st.integers(1, 4))
# Two versions of one key and one time are held back: tests/unit/land/test_unique.py.
VERSIONS = st.lists(VERSION, max_size=4, unique_by=lambda version: (version[0], version[2]))
DELIVERY = st.tuples(st.integers(1, 3), VERSIONS, st.lists(TOMBSTONE, max_size=2))
# What one run finds: some days delivered or delivered again; it commits all at once or one by one, or dies before.
RUN = st.tuples(st.lists(DELIVERY, min_size=1, max_size=3), st.sampled_from(["at once", "one by one", "dies"]))

_numbers = count(1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lake, Path]]:
    # One lake for all histories, which bear their number in their keys: to make a lake costs more than a history.
    home = tmp_path_factory.mktemp("lake")
    with opened(company(home)) as lake:
        yield lake, home


@given(runs=st.lists(RUN, min_size=1, max_size=4))
@settings(max_examples=25)
def test_raw_is_the_set_of_all_versions_ever_delivered(place: tuple[Lake, Path], runs: list[object]) -> None:
    lake, home = place
    history = f"{next(_numbers)}-"
    folder = home / history
    declared = company(folder)
    twin: set[tuple[str, str | None, bool]] = set()
    waiting: dict[int, set[tuple[str, str | None, bool]]] = {}
    for number, (deliveries, ending) in enumerate(runs, start=1):  # type: ignore[misc]
        for day, versions, tombstones in deliveries:
            label = f"2026-03-0{day}"
            records = [person(history + key, at=f"2026-03-0{at}T08:00:00Z", Name=name) for key, name, at in versions]
            gone = [{"id": history + key, "deletedDate": f"2026-03-0{at}T09:00:00Z"} for key, at in tombstones]
            deliver_pages(folder / "crm", records, day=label)
            deliver_deleted(folder / "crm", *gone, day=label)
            waiting[day] = {(record["Id"], json.dumps(record), False) for record in records} | {
                (entry["id"], json.dumps(entry), True) for entry in gone
            }
        windows = [fetch_window(p, declared, run(number)) for p in plan_windows(lake, declared, source="crm")]
        if ending == "dies":
            continue
        if ending == "at once":
            commit_windows(lake, windows, run(number))
        else:
            for window in windows:
                commit_window(lake, window, run(number))
        for versions_of_day in waiting.values():
            twin |= versions_of_day
        waiting = {}
    landed = lake.con.execute(
        "SELECT _record_key, payload, _is_deleted FROM lake.raw.crm_person WHERE starts_with(_record_key, ?)", [history]
    ).fetchall()
    assert sorted(landed) == sorted(twin)
