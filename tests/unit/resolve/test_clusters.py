"""Clusters from records and edges: what stays whole, what is cut, and that order plays no part."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import combinations, pairwise

import duckdb
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from dataflow.resolve.clusters import MAX_COMPONENT, _confidences, find_clusters
from dataflow.resolve.edges import find_edges
from dataflow.resolve.epoch import train_epoch
from dataflow.resolve.groups import Groups
from dataflow.resolve.model import Epoch
from dataflow.resolve.pairs import numbered
from dataflow.resolve.refinement import BEST, WORST, Edges, Judged, held_parts, refine
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


def clusters_of(
    con: duckdb.DuckDBPyConnection, epoch: Epoch, records: list[Record], *, words: tuple[tuple[str, str, str], ...] = ()
) -> dict[str, tuple[str, bool]]:
    """Record to cluster and whether it was oversized; `words` are judged pairs."""
    match_records(con, records, into="given_match")
    find_edges(con, "given_match", epoch=epoch, spec=PERSON, into="edge")
    con.execute("CREATE OR REPLACE TEMP TABLE word (record_id_l VARCHAR, record_id_r VARCHAR, verdict VARCHAR)")
    for word in words:
        con.execute("INSERT INTO word VALUES (?, ?, ?)", list(word))
    judged = "word" if words else None
    find_clusters(con, "given_match", "edge", epoch=epoch, spec=PERSON, into="found", judged=judged)
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


def test_a_word_joins_what_no_weight_would_and_is_sure(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> None:
    found = clusters_of(con, epoch, [ONE, OTHER], words=(("z1", "z2", "same"),))
    assert found["z1"] == found["z2"] == ("z1", False)
    sure = con.execute("SELECT DISTINCT confidence, cluster_confidence FROM found").fetchall()
    assert sure == [(1.0, 1.0)]


def test_a_word_parts_what_every_weight_joins(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> None:
    copies = [ONE | {"record_id": name} for name in ("a", "b", "c")]
    assert len({cluster for cluster, _ in clusters_of(con, epoch, copies).values()}) == 1
    found = clusters_of(con, epoch, copies, words=(("a", "c", "different"),))
    assert found["a"][0] != found["c"][0]
    assert found["b"][0] in (found["a"][0], found["c"][0])
    two = clusters_of(con, epoch, copies[:2], words=(("a", "b", "different"),))
    assert two["a"][0] != two["b"][0]


def test_who_is_joined_by_word_brings_whoever_is_with_them(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> None:
    records = [one | {"record_id": f"{name}{n}"} for name, one in (("a", ONE), ("b", OTHER)) for n in range(3)]
    apart = clusters_of(con, epoch, records)
    assert {record: cluster for record, (cluster, _) in apart.items()} == {
        f"{x}{n}": f"{x}0" for x in "ab" for n in range(3)
    }
    found = clusters_of(con, epoch, records, words=(("a1", "b2", "same"),))
    assert {cluster for cluster, _ in found.values()} == {"a0"}


def test_who_is_different_stays_behind_when_others_are_joined(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> None:
    records = [one | {"record_id": f"{name}{n}"} for name, one in (("a", ONE), ("b", OTHER)) for n in range(3)]
    words = (("a1", "b2", "same"), ("a0", "b0", "different"), ("a1", "a2", "different"))
    found = {record: cluster for record, (cluster, _) in clusters_of(con, epoch, records, words=words).items()}
    assert found["a1"] == found["b2"]
    assert found["a0"] != found["b0"]
    # what is different from one is different from who is the same
    assert found["a2"] not in (found["a1"], found["b2"])


def test_more_than_a_component_may_hold_are_joined_by_word_all_the_same(
    con: duckdb.DuckDBPyConnection, epoch: Epoch
) -> None:
    ids = [f"m{number:03}" for number in range(MAX_COMPONENT + 20)]
    records: list[Record] = [{"record_id": i, "entity_type": "person", "given_name": "A"} for i in ids]
    found = clusters_of(con, epoch, records, words=tuple((a, b, "same") for a, b in pairwise(ids)))
    assert {cluster for cluster, _ in found.values()} == {ids[0]}


NOTHING = Edges(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


def components(seed: int) -> tuple[NDArray[np.int64], list[NDArray[np.int64]], Edges]:
    """Components of three to eleven records in any order: the part of each record, their records, all their pairs."""
    chance = np.random.default_rng(seed)
    sizes = chance.integers(3, 12, 40)
    part = chance.permutation(np.repeat(np.arange(40), sizes))
    members = [np.flatnonzero(part == number) for number in range(40)]
    pairs = np.array([pair for member in members for pair in combinations(member, 2)])
    mean = chance.uniform(-0.5, 1, 40)
    # within the bounds: two weights cut to one would be taken in another order than the library's
    weight = 2 + 8 * np.tanh(chance.normal(np.repeat(mean, sizes * (sizes - 1) // 2), 0.5))
    order = chance.permutation(weight.size)
    return part, members, Edges(pairs[order, 0], pairs[order, 1], weight[order])


def groups_of(part: NDArray[np.int64], member: NDArray[np.int64]) -> set[frozenset[int]]:
    return {frozenset(member[part[member] == group].tolist()) for group in part[member]}


def library_groups(member: NDArray[np.int64], weights: Edges) -> set[frozenset[int]]:
    known = dict(zip(zip(weights.left.tolist(), weights.right.tolist(), strict=True), weights.weight, strict=True))
    condensed = np.array([BEST - known[pair] for pair in combinations(member.tolist(), 2)])
    group = fcluster(linkage(condensed, method="average"), t=BEST, criterion="distance")
    return {frozenset(member[group == number].tolist()) for number in group}


@pytest.mark.parametrize("seed", range(8))
def test_many_components_at_once_are_grouped_as_the_library_groups_each(seed: int) -> None:
    part, members, weights = components(seed)
    found = refine(part, np.arange(40), weights, Judged(np.arange(part.size), NOTHING, NOTHING))
    grouped = [groups_of(found, member) for member in members]
    assert grouped == [library_groups(member, weights) for member in members]
    assert any(len(groups) > 1 for groups in grouped)
    assert len({found[m[0]] for m in members}) == 40


@pytest.mark.parametrize("seed", range(8))
def test_a_component_is_held_only_where_the_worst_that_may_come_leaves_it_whole(seed: int) -> None:
    part, members, weights = components(seed)
    known = weights.take(np.random.default_rng(seed).uniform(size=weights.weight.size) < 0.85)
    held = set(held_parts(part, np.arange(40), known).tolist())
    missing = {*zip(weights.left.tolist(), weights.right.tolist(), strict=True)} - {
        *zip(known.left.tolist(), known.right.tolist(), strict=True)
    }
    unknown = np.array(sorted(missing))
    worst = known.plus(Edges(unknown[:, 0], unknown[:, 1], np.full(len(unknown), WORST)))
    assert held == {number for number, m in enumerate(members) if len(library_groups(m, worst)) == 1}
    assert 0 < len(held) < 40


def test_a_cluster_is_as_sure_as_the_weakest_branch_of_its_strongest_tree() -> None:
    chance = np.random.default_rng(7)
    part = np.repeat(np.arange(400), chance.integers(1, 7, 400))
    place = np.arange(part.size)
    left, right = (side.ravel() for side in np.meshgrid(place, place, indexing="ij"))
    # links within clusters and between them, some clusters left with few or none
    kept = (left < right) & (chance.random(left.size) < np.where(part[left] == part[right], 0.6, 0.001))
    links = Edges(left[kept], right[kept], np.round(chance.normal(4, 3, np.count_nonzero(kept)), 6))
    best, weakest = _confidences(part, links)
    for cluster in range(400):
        member = np.flatnonzero(part == cluster)
        own = links.take((part[links.left] == cluster) & (part[links.right] == cluster))
        groups = Groups()
        branches = [
            weight
            for weight, one, other in sorted(zip(own.weight, own.left, own.right, strict=True), reverse=True)
            if not groups.are_one(str(one), str(other)) and groups.join(str(one), str(other))
        ]
        assert weakest[member] == pytest.approx(1 / (1 + 2.0 ** -min(branches, default=np.inf)))
        for record in member if member.size > 1 else []:
            of_record = own.weight[(own.left == record) | (own.right == record)]
            assert best[record] == pytest.approx(1 / (1 + 2.0 ** -of_record.max()) if of_record.size else 0)
    assert len({np.count_nonzero(part == cluster) for cluster in range(400)}) == 6


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
    score_pairs(con, numbered("some_pair"), "given_match", epoch, spec=PERSON, into="alone")
    assert con.table("alone").shape[0] == 3
    assert con.execute("FROM alone EXCEPT FROM edge").fetchall() == []
