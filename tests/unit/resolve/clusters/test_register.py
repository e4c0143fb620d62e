"""Places of records, and the edges between them."""

from __future__ import annotations

import random

import duckdb
import pytest

from dataflow.resolve.clusters import register as module
from dataflow.resolve.clusters.register import Register
from dataflow.resolve.pairs.order import Places

CHANCE = random.Random(11)
IDS = [f"r{number:05}" for number in CHANCE.sample(range(100_000), k=3000)]


def register_of(con: duckdb.DuckDBPyConnection, ids: list[str]) -> Register:
    con.execute("CREATE OR REPLACE TEMP TABLE named (record_id VARCHAR)")
    if ids:
        con.execute(f"INSERT INTO named VALUES {', '.join(f'({i!r})' for i in ids)}")
    return Register(con, "named")


def named(register: Register, places: Places) -> list[str]:
    """The record ids at some places."""
    of_place = dict(zip(register.place.tolist(), register.names.to_pylist(), strict=True))
    return [of_place[place] for place in places.tolist()]


def test_edges_have_the_places_of_their_records() -> None:
    pairs = [(CHANCE.choice([*IDS, "gone"]), CHANCE.choice([*IDS, "also gone"])) for _ in range(5000)]
    with duckdb.connect() as con:
        register = register_of(con, IDS)
        con.execute("CREATE TEMP TABLE edge (record_id_l VARCHAR, record_id_r VARCHAR, match_weight DOUBLE)")
        con.execute(f"INSERT INTO edge VALUES {', '.join(f'({a!r}, {b!r}, {n})' for n, (a, b) in enumerate(pairs))}")
        edges = register.edges("edge")
        told = zip(named(register, edges.left), named(register, edges.right), edges.weight, strict=True)
        expected = {(a, b, float(n)) for n, (a, b) in enumerate(pairs) if a != "gone" and b != "also gone"}
        assert set(told) == expected
        assert len(expected) > 4000


def test_places_do_not_depend_on_the_order_of_records() -> None:
    with duckdb.connect() as con:
        places = [
            dict(zip(register.names.to_pylist(), register.place.tolist(), strict=True))
            for register in (register_of(con, IDS), register_of(con, CHANCE.sample(IDS, k=len(IDS))))
        ]
        assert places[0] == places[1]
        assert sorted(places[0].values()) == list(range(len(IDS)))


def test_records_of_one_number_get_others(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, seen = IDS[:50], []

    def number_of(record_id: str, attempt: int = 0) -> str:
        seen.append(attempt)
        return f"hash({record_id}) % 40 + 3" if attempt < 2 else f"hash({record_id}, {attempt})"

    monkeypatch.setattr(module, "number_of", number_of)
    with duckdb.connect() as con:
        register = register_of(con, ids)
        con.execute(
            "CREATE TEMP TABLE edge AS "
            "SELECT record_id AS record_id_l, record_id AS record_id_r, 1.0 AS match_weight FROM named"
        )
        edges = register.edges("edge")
        assert sorted(named(register, edges.left)) == sorted(ids)
        assert edges.left.tolist() == edges.right.tolist()
    assert seen[:3] == [0, 1, 2]


def test_without_records_there_are_no_edges() -> None:
    with duckdb.connect() as con:
        register = register_of(con, [])
        edges = register.edges("(SELECT 'a' AS record_id_l, 'b' AS record_id_r, 1.0 AS match_weight)")
        assert len(register) == edges.left.size == 0


def test_a_record_that_occurs_twice_is_an_error() -> None:
    with duckdb.connect() as con, pytest.raises(ValueError, match="occurs twice"):
        register_of(con, ["a", "b", "a"])
