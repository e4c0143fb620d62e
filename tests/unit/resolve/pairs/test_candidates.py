"""Pairs that share a key, compared with a plain walk over all keys."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import combinations

import duckdb
import pyarrow as pa
import pytest

from dataflow.resolve.comparisons import PERSON
from dataflow.resolve.pairs import candidates as module
from dataflow.resolve.pairs.candidates import find_candidates
from dataflow.resolve.records.match_record import RULE_BITS

CAPS = [rule.cap for rule in PERSON.blocking]
Keys = dict[int, list[int]]


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@pytest.fixture(params=[1, 3])
def shares(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys read in small batches, all at once or in shares."""
    monkeypatch.setattr(module, "_BATCH_ROWS", 300)
    monkeypatch.setattr(module, "_split", lambda *_: (1 if request.param == 1 else 8, request.param))


def some_keys(seed: int, records: int) -> Keys:
    """Keys of some records: of a few rules, most held by few, some by more than their cap."""
    chance = random.Random(seed)
    rules = [0, 2, 5, 13, len(CAPS) - 1]
    held: Keys = {}
    for record in range(1, records + 1):
        # multiplied so that they lie all over, as hashes do
        begins = {rule: chance.choice([chance.randrange(records), chance.randrange(4)]) for rule in rules}
        chosen = chance.sample(rules, k=chance.randrange(len(rules) + 1))
        held[record] = [begins[rule] * 0x9E3779B97F4A7C15 % 2**64 // RULE_BITS * RULE_BITS + rule for rule in chosen]
    return held


def expected(held: Keys, new: set[int] | None = None) -> set[tuple[int, int]]:
    holders = defaultdict(list)
    for record, keys in held.items():
        for key in keys:
            holders[key].append(record)
    useful = [among for key, among in holders.items() if 2 <= len(among) <= CAPS[key % RULE_BITS]]
    pairs = {pair for among in useful for pair in combinations(sorted(among), 2)}
    return {pair for pair in pairs if new is None or not new.isdisjoint(pair)}


def lay(con: duckdb.DuckDBPyConnection, held: Keys) -> None:
    keys = pa.array([keys or None for keys in held.values()], pa.list_(pa.uint64()))
    con.register("held_arrow", pa.table({"record_id": pa.array(held, pa.uint64()), "block_keys": keys}))
    con.execute("CREATE OR REPLACE TEMP TABLE held AS FROM held_arrow")


def pairs_of(con: duckdb.DuckDBPyConnection, *, keys: str | None = None) -> list[tuple[int, int]]:
    find_candidates(con, "held", spec=PERSON, into="pair", keys=keys)
    return con.execute("SELECT one, other FROM pair ORDER BY ALL").fetchall()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.usefixtures("shares")
def test_pairs_are_those_that_share_a_key_under_its_cap(
    con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    held = some_keys(seed, 2000)
    monkeypatch.setattr(module, "number_of", lambda record_id: record_id)
    lay(con, held)
    found = pairs_of(con)
    assert found == sorted(expected(held))
    assert len(found) > 200


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.usefixtures("shares")
def test_of_some_keys_only_pairs_with_a_new_one(con: duckdb.DuckDBPyConnection, seed: int) -> None:
    held = some_keys(seed, 2000)
    new = set(random.Random(seed).sample(sorted(held), k=200))
    lay(con, held)
    is_new = f"record_id IN ({', '.join(map(str, new))}) AS is_new"
    con.execute(
        f"CREATE TEMP TABLE few_key AS SELECT record_id AS record, unnest(block_keys) AS key, {is_new} FROM held"
    )
    found = pairs_of(con, keys="few_key")
    assert found == sorted(expected(held, new))
    assert 20 < len(found) < len(expected(held)) / 2


def test_two_records_of_one_number_make_no_pair_twice(
    con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "number_of", lambda record_id: f"{record_id} // 2")
    lay(con, {2: [64], 3: [64], 4: [64], 7: [128], 6: [128]})
    assert pairs_of(con) == [(1, 2)]


def test_no_records_and_records_without_keys(con: duckdb.DuckDBPyConnection) -> None:
    lay(con, {})
    assert pairs_of(con) == []
    lay(con, {1: [], 2: [], 3: [64]})
    assert pairs_of(con) == []


def test_little_memory_has_the_keys_sorted_in_shares(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE TEMP TABLE many AS SELECT range AS record, range // 2 * 64 AS key, true AS is_new FROM range(3_000_000)"
    )
    con.execute("SET memory_limit = '100MB'")
    assert module._split(con, "held", "many")[1] > 1
    con.execute("SET memory_limit = '1GB'")
    assert module._split(con, "held", "many")[1] == 1
