"""Any history of commits and maintenance reads the same as a dull twin that keeps every state in memory."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from duckdb import DuckDBPyConnection
from hypothesis import HealthCheck, given, settings

from lakehouse import Column, Lake, Table, clean_up, compact, expire
from tests.lib.lakes import local_lake, opened

ITEM = Table(
    schema="published",
    name="item",
    grain="item",
    key=("id",),
    owner="tests",
    columns=(Column("id", "INTEGER", "", nullable=False), Column("value", "INTEGER", "")),
)
# Each opens a lake: a sixth of what the profile asks of cheaper tests.
EXAMPLES = settings().max_examples // 6
ids = st.lists(st.integers(0, 12), unique=True, max_size=6)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("upsert"), ids),
        st.tuples(st.just("insert"), st.just([])),
        st.tuples(st.just("delete"), ids),
        st.tuples(st.just("compact"), st.just([])),
        st.tuples(st.just("restore"), st.lists(st.integers(0, 20), min_size=1, max_size=1)),
        st.tuples(st.just("expire"), st.lists(st.integers(0, 20), max_size=3)),
    ),
    min_size=1,
    max_size=8,
)


class Twin:
    """Every state of the table by snapshot, and every row written, as plain dictionaries."""

    def __init__(self) -> None:
        self.states: dict[int, dict[int, int]] = {}
        self.written: dict[int, dict[int, int]] = {}
        self.replaced_at = 0

    def record(self, snapshot: int, state: dict[int, int], written: dict[int, int]) -> None:
        self.states[snapshot] = dict(state)
        self.written[snapshot] = dict(written)


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_the_lake_and_its_twin_agree(plan: list[tuple[str, list[int]]]) -> None:
    with tempfile.TemporaryDirectory() as folder, opened(local_lake(Path(folder))) as lake:
        lake.ensure([ITEM])
        twin, values = Twin(), itertools.count(1)
        twin.record(lake.snapshot().id, {}, {})
        for kind, chosen in plan:
            take(lake, twin, kind, chosen, next(values))
            agree(lake, twin)


def take(lake: Lake, twin: Twin, kind: str, chosen: list[int], value: int) -> None:
    state = dict(twin.states[max(twin.states)])
    if kind == "compact":
        compact(lake)
    elif kind == "expire":
        kept = {list(twin.states)[i % len(twin.states)] for i in chosen}
        expire(lake, older_than=datetime.max.replace(tzinfo=UTC), keep=kept)
        clean_up(lake, grace=timedelta(0))
        left = {snapshot.id for snapshot in lake.snapshots()}
        assert kept <= left
        newest = max(twin.states)
        if newest not in left:  # the newest snapshot may be one of maintenance, with the same content
            twin.states[max(left)] = twin.states[newest]
        twin.states = {at: rows for at, rows in sorted(twin.states.items()) if at in left}
    elif kind == "restore":
        at = list(twin.states)[chosen[0] % len(twin.states)]
        snapshot = lake.restore_table(ITEM.full_name, at, author="", run_id="")
        if snapshot.id not in twin.states and snapshot.message:
            twin.record(snapshot.id, twin.states[at], {})
            twin.replaced_at = snapshot.id
    else:
        # An insert touches no row that is there: only files of inserts are merged with one another.
        chosen = [1000 + value] if kind == "insert" else chosen
        written = {} if kind == "delete" else dict.fromkeys(chosen, value)
        state = {i: v for i, v in state.items() if i not in chosen} if kind == "delete" else {**state, **written}
        _, snapshot = lake.transact(lambda con: write(con, kind, chosen, value), author="", run_id="", message=kind)
        if snapshot.id not in twin.states:
            twin.record(snapshot.id, state, written)


def write(con: DuckDBPyConnection, kind: str, chosen: list[int], value: int) -> None:
    rows = f"(SELECT unnest({chosen}::INTEGER[]) AS id, {value} AS value)"
    if kind == "insert":
        con.execute(f"INSERT INTO lake.published.item {rows}")
    elif kind == "upsert":
        con.execute(
            f"MERGE INTO lake.published.item t USING {rows} s ON t.id = s.id"
            " WHEN MATCHED THEN UPDATE SET value = s.value WHEN NOT MATCHED THEN INSERT BY NAME"
        )
    else:
        con.execute(f"DELETE FROM lake.published.item WHERE id IN (SELECT id FROM {rows})")


def agree(lake: Lake, twin: Twin) -> None:
    newest = lake.snapshot().id
    assert table(lake, "lake.published.item") == twin.states[max(twin.states)]
    alive = {snapshot.id for snapshot in lake.snapshots()}
    for at, state in twin.states.items():
        past = f"lake.published.item AT (VERSION => {at})"
        assert table(lake, past) == state
        assert lake.con.execute(f"FROM {past} ORDER BY ALL").fetchall() == sorted(state.items())
        for key, value in list(state.items())[:2]:
            assert lake.con.execute(f"FROM {past} WHERE value = {value} AND id <= {key}").fetchall() != []
        if at < twin.replaced_at or not set(range(at + 1, newest + 1)) <= alive:
            continue
        found = lake.con.execute(lake.insertions(ITEM, after=at, upto=newest)).fetchall()
        expected = [row for number, rows in twin.written.items() if number > at for row in rows.items()]
        assert Counter(found) == Counter(expected)
        assert replay(lake, state, after=at, upto=newest) == twin.states[max(twin.states)]


def replay(lake: Lake, state: dict[int, int], *, after: int, upto: int) -> dict[int, int]:
    """Apply the change feed to a state."""
    feed: list[tuple[Any, ...]] = lake.con.execute(
        f"FROM ({lake.changes(ITEM, after=after, upto=upto)}) ORDER BY snapshot_id"
    ).fetchall()
    result = dict(state)
    for _, changes in itertools.groupby(feed, key=lambda change: change[0]):
        together = list(changes)
        for _, _, kind, key, value in together:
            if kind in ("delete", "update_preimage"):
                assert result.pop(key) == value
        result.update({key: value for _, _, kind, key, value in together if kind in ("insert", "update_postimage")})
    return result


def table(lake: Lake, name: str) -> dict[int, int]:
    rows = lake.con.execute(f"FROM {name}").fetchall()
    assert len({key for key, _ in rows}) == len(rows)
    return dict(rows)
