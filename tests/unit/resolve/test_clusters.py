"""Clusters from records and edges: what stays whole, what is cut, and that order plays no part."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

import duckdb
import pytest

from dataflow.resolve.clusters import MAX_COMPONENT, find_clusters
from dataflow.resolve.edges import find_edges
from dataflow.resolve.epoch import train_epoch
from dataflow.resolve.model import Epoch
from dataflow.resolve.scoring import score_pairs
from dataflow.resolve.spec import PERSON
from tests.lib.identities import Record, match_records, person, population

CHANCE = random.Random(3)
ONE = person(CHANCE, 9001) | {"record_id": "z1"}
OTHER = person(CHANCE, 9002) | {"record_id": "z2"}
# a ticket that carries the e-mail of one and the telephone of the other
BRIDGE = {
    "record_id": "z3", "entity_type": "person", "email_canonical": ONE["email_canonical"],
    "email_domain": "example.com", "phone": OTHER["phone"],
}  # fmt: skip


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        yield con


@pytest.fixture(scope="module")
def epoch(con: duckdb.DuckDBPyConnection) -> Epoch:
    people = [record for _, record in population(1, people=150).values()]
    match_records(con, [*people, ONE, OTHER, BRIDGE], into="trained")
    return train_epoch(con, "trained", spec=PERSON, frequencies="frequency")


def clusters_of(con: duckdb.DuckDBPyConnection, epoch: Epoch, records: list[Record]) -> dict[str, tuple[str, bool]]:
    """Record to cluster and whether it was oversized."""
    match_records(con, records, into="given_match")
    find_edges(con, "given_match", epoch=epoch, spec=PERSON, into="edge")
    find_clusters(con, "given_match", "edge", epoch=epoch, spec=PERSON, into="found")
    return {
        row[0]: (row[1], row[2]) for row in con.execute("SELECT record_id, cluster, is_oversized FROM found").fetchall()
    }


def test_a_bridge_of_anothers_telephone_does_not_fuse_two_people(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> None:
    found = clusters_of(con, epoch, [ONE, OTHER, BRIDGE])
    assert found["z1"][0] != found["z2"][0]


def test_records_in_any_order_give_the_same_clusters(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> None:
    records = [record for _, record in population(5, people=40).values()]
    shuffled = random.Random(8).sample(records, k=len(records))
    assert clusters_of(con, epoch, records) == clusters_of(con, epoch, shuffled)


def test_a_cluster_is_named_by_its_smallest_record_and_a_lone_record_is_sure(
    con: duckdb.DuckDBPyConnection, epoch: Epoch
) -> None:
    twice = [ONE, ONE | {"record_id": "a0"}, OTHER]
    found = clusters_of(con, epoch, twice)
    assert found["z1"][0] == found["a0"][0] == "a0"
    sure = con.execute("SELECT confidence, cluster_confidence FROM found WHERE record_id = 'z2'").fetchall()
    assert sure == [(1.0, 1.0)]


def test_an_oversized_component_is_cut_and_says_so(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> None:
    ids = [f"m{number:03}" for number in range(MAX_COMPONENT + 20)]
    match_records(con, [{"record_id": i, "entity_type": "person", "given_name": "A"} for i in ids], into="given_match")
    weak, strong = 6.0, 20.0
    chain = [(a, b, strong if n % 10 else weak) for n, (a, b) in enumerate(pairwise(ids), start=1)]
    con.execute("CREATE OR REPLACE TEMP TABLE edge (record_id_l VARCHAR, record_id_r VARCHAR, match_weight DOUBLE)")
    con.executemany("INSERT INTO edge VALUES (?, ?, ?)", [list(row) for row in chain])
    find_clusters(con, "given_match", "edge", epoch=epoch, spec=PERSON, into="found")
    rows = con.execute(
        "SELECT max(n), bool_and(big) FROM (SELECT count(*) n, bool_and(is_oversized) big FROM found GROUP BY cluster)"
    )
    assert rows.fetchall()[0][0] <= 10
    assert con.execute("SELECT bool_and(is_oversized) FROM found").fetchall() == [(True,)]


def test_training_twice_gives_the_same_epoch(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> None:
    con.execute("CREATE OR REPLACE TEMP TABLE again AS FROM trained ORDER BY md5(record_id)")
    again = train_epoch(con, "again", spec=PERSON, frequencies="frequency_again")
    assert (again.epoch_id, again.model_json) == (epoch.epoch_id, epoch.model_json)


def test_pairs_are_scored_the_same_alone_and_among_others(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> None:
    records = [record for _, record in population(6, people=30).values()]
    match_records(con, records, into="given_match")
    find_edges(con, "given_match", epoch=epoch, spec=PERSON, into="edge")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE some_pair AS SELECT record_id_l, record_id_r FROM edge ORDER BY ALL LIMIT 3"
    )
    score_pairs(con, "some_pair", "given_match", epoch, spec=PERSON, into="alone")
    assert con.table("alone").shape[0] == 3
    assert con.execute("FROM alone EXCEPT FROM edge").fetchall() == []
