"""Clusters from records and edges: which stay whole, which are cut, in any order of records."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import combinations, pairwise

import duckdb
import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dataflow.resolve.clusters.clusters import MAX_COMPONENT, _confidences, find_clusters
from dataflow.resolve.clusters.refinement import BEST, Contradictions, Edges, Judged, components, refine
from dataflow.resolve.comparisons import PERSON
from dataflow.resolve.groups import Groups
from dataflow.resolve.model.model import Epoch
from dataflow.resolve.pairs.edges import find_edges
from dataflow.resolve.pairs.numbers import numbered
from dataflow.resolve.pairs.order import Places
from dataflow.resolve.pairs.scoring import score_pairs
from dataflow.resolve.training.epoch import train_epoch
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
    con: duckdb.DuckDBPyConnection,
    epoch: Epoch,
    records: list[Record],
    *,
    judgements: tuple[tuple[str, str, str], ...] = (),
) -> dict[str, tuple[str, bool]]:
    """Record to the smallest of its cluster and whether it was oversized; `judgements` are judged pairs."""
    match_records(con, records, into="given_match")
    find_edges(con, "given_match", epoch=epoch, spec=PERSON, into="edge")
    con.execute("CREATE OR REPLACE TEMP TABLE judgement (record_id_l VARCHAR, record_id_r VARCHAR, verdict VARCHAR)")
    for judgement in judgements:
        con.execute("INSERT INTO judgement VALUES (?, ?, ?)", list(judgement))
    relation = "judgement" if judgements else None
    find_clusters(
        con,
        "given_match",
        "edge",
        link_threshold=epoch.link_threshold,
        into="found",
        judgements=relation,
        contradiction=epoch.contradiction,
    )
    named = "SELECT record_id, min(record_id) OVER (PARTITION BY cluster), is_oversized FROM found"
    return {row[0]: (row[1], row[2]) for row in con.execute(named).fetchall()}


def test_a_bridge_of_anothers_telephone_does_not_fuse_two_people(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> None:
    found = clusters_of(con, epoch, [ONE, OTHER, BRIDGE])
    assert found["z1"][0] != found["z2"][0]


def test_records_in_any_order_give_the_same_clusters(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> None:
    records = [record for _, record in population(5, people=40).values()]
    shuffled = random.Random(8).sample(records, k=len(records))
    assert clusters_of(con, epoch, records) == clusters_of(con, epoch, shuffled)


def test_a_lone_record_is_sure(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> None:
    twice = [ONE, ONE | {"record_id": "a0"}, OTHER]
    found = clusters_of(con, epoch, twice)
    assert found["z1"][0] == found["a0"][0] == "a0"
    sure = con.execute("SELECT confidence, cluster_confidence FROM found WHERE record_id = 'z2'").fetchall()
    assert sure == [(1.0, 1.0)]


def clusters_by(
    con: duckdb.DuckDBPyConnection,
    ids: list[str],
    weights: dict[tuple[str, str], float],
    *,
    births: dict[str, str] | None = None,
    judged: tuple[str, str, str] | None = None,
) -> set[str]:
    """The clusters of some records by edges of some weights, each as the names of its records."""
    con.execute("CREATE OR REPLACE TEMP TABLE given_record (record_id VARCHAR, date_of_birth VARCHAR)")
    con.executemany("INSERT INTO given_record VALUES (?, ?)", [[i, (births or {}).get(i)] for i in ids])
    con.execute("CREATE OR REPLACE TEMP TABLE judgement (record_id_l VARCHAR, record_id_r VARCHAR, verdict VARCHAR)")
    con.executemany("INSERT INTO judgement VALUES (?, ?, ?)", [judged or ("", "", "none")])
    con.execute("CREATE OR REPLACE TEMP TABLE edge (record_id_l VARCHAR, record_id_r VARCHAR, match_weight DOUBLE)")
    con.executemany("INSERT INTO edge VALUES (?, ?, ?)", [[*pair, weight] for pair, weight in weights.items()])
    find_clusters(
        con,
        "given_record",
        "edge",
        link_threshold=0.8,
        into="found",
        judgements="judgement" if judged else None,
        contradiction=PERSON.contradiction,
    )
    found = con.execute("SELECT string_agg(record_id, ' ' ORDER BY record_id) FROM found GROUP BY cluster").fetchall()
    return {names for (names,) in found}


def test_an_oversized_component_is_cut_and_marked(con: duckdb.DuckDBPyConnection) -> None:
    ids = [f"m{number:03}" for number in range(MAX_COMPONENT + 20)]
    weak, strong = 6.0, 20.0
    clusters_by(con, ids, {pair: strong if n % 10 else weak for n, pair in enumerate(pairwise(ids), start=1)})
    rows = con.execute(
        "SELECT max(n), bool_and(big) FROM (SELECT count(*) n, bool_and(is_oversized) big FROM found GROUP BY cluster)"
    )
    assert rows.fetchall()[0][0] <= 10
    assert con.execute("SELECT bool_and(is_oversized) FROM found").fetchall() == [(True,)]


def test_one_strong_link_joins_a_third_to_two_but_not_two_pairs(con: duckdb.DuckDBPyConnection) -> None:
    ids = ["a", "b", "c", "d"]
    pairs = {("a", "b"): 20.0, ("c", "d"): 20.0}
    assert clusters_by(con, ids, pairs | {("b", "c"): 20.0}) == {"a b", "c d"}
    assert clusters_by(con, ids, pairs | {("b", "c"): 20.0, ("a", "d"): 20.0}) == {"a b c d"}
    assert clusters_by(con, ids[:3], {("a", "b"): 20.0, ("b", "c"): 4.5}) == {"a b c"}
    assert clusters_by(con, ids[:3], {("a", "b"): 20.0, ("b", "c"): 3.5}) == {"a b", "c"}


def test_negative_weights_separate_what_links_join(con: duckdb.DuckDBPyConnection) -> None:
    chain = {("a", "b"): 20.0, ("b", "c"): 5.5}
    assert clusters_by(con, ["a", "b", "c"], chain) == {"a b c"}
    assert clusters_by(con, ["a", "b", "c"], chain | {("a", "c"): -6.0}) == {"a b", "c"}


def test_records_whose_births_contradict_are_joined_by_no_third(con: duckdb.DuckDBPyConnection) -> None:
    ids, births = ["a", "b", "c"], {"a": "1931-02-17", "c": "1971-11-05"}
    assert clusters_by(con, ids, {("a", "b"): 20.0, ("b", "c"): 18.0}) == {"a b c"}
    # c is left alone where b is clearly the same as a, and b as well where it could be of either
    assert clusters_by(con, ids, {("a", "b"): 10.0, ("b", "c"): 5.0}, births=births) == {"a b", "c"}
    assert clusters_by(con, ids, {("a", "b"): 8.0, ("b", "c"): 7.5}, births=births) == {"a", "b", "c"}


def test_a_swapped_day_a_typing_error_and_a_known_year_do_not_contradict(con: duckdb.DuckDBPyConnection) -> None:
    weights = {("a", "b"): 20.0, ("b", "c"): 18.0}
    for birth in ("1931-02-17", "1931-02-11", "1931-01-01", "1933-02-17", "1941-02-17", "1931-07-12", "1900-01-01"):
        births = {"a": "1931-02-17" if birth != "1931-07-12" else "1931-12-07", "c": birth}
        assert clusters_by(con, ["a", "b", "c"], weights, births=births) == {"a b c"}, birth


def test_an_edge_of_their_own_or_a_judgement_joins_records_whose_births_contradict(
    con: duckdb.DuckDBPyConnection,
) -> None:
    ids, births = ["a", "b", "c"], {"a": "1931-02-17", "c": "1971-11-05"}
    chain = {("a", "b"): 10.0, ("b", "c"): 5.0}
    assert clusters_by(con, ids, chain | {("a", "c"): 0.5}, births=births) == {"a b c"}
    assert clusters_by(con, ids, chain, births=births, judged=("a", "c", "same")) == {"a b c"}
    assert clusters_by(con, ids, chain, births=births, judged=("b", "c", "same")) == {"a b c"}


def test_a_judgement_joins_what_no_weight_would_and_is_sure(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> None:
    found = clusters_of(con, epoch, [ONE, OTHER], judgements=(("z1", "z2", "same"),))
    assert found["z1"] == found["z2"] == ("z1", False)
    sure = con.execute("SELECT DISTINCT confidence, cluster_confidence FROM found").fetchall()
    assert sure == [(1.0, 1.0)]


def test_a_judgement_separates_what_every_weight_joins(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> None:
    copies = [ONE | {"record_id": name} for name in ("a", "b", "c")]
    assert len({cluster for cluster, _ in clusters_of(con, epoch, copies).values()}) == 1
    found = clusters_of(con, epoch, copies, judgements=(("a", "c", "different"),))
    assert found["a"][0] != found["c"][0]
    assert found["b"][0] in (found["a"][0], found["c"][0])
    two = clusters_of(con, epoch, copies[:2], judgements=(("a", "b", "different"),))
    assert two["a"][0] != two["b"][0]


def test_a_judgement_joins_the_groups_of_both_records(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> None:
    records = [one | {"record_id": f"{name}{n}"} for name, one in (("a", ONE), ("b", OTHER)) for n in range(3)]
    apart = clusters_of(con, epoch, records)
    assert {record: cluster for record, (cluster, _) in apart.items()} == {
        f"{x}{n}": f"{x}0" for x in "ab" for n in range(3)
    }
    found = clusters_of(con, epoch, records, judgements=(("a1", "b2", "same"),))
    assert {cluster for cluster, _ in found.values()} == {"a0"}


def test_a_record_judged_different_stays_out_of_a_join(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> None:
    records = [one | {"record_id": f"{name}{n}"} for name, one in (("a", ONE), ("b", OTHER)) for n in range(3)]
    judgements = (("a1", "b2", "same"), ("a0", "b0", "different"), ("a1", "a2", "different"))
    found = {
        record: cluster for record, (cluster, _) in clusters_of(con, epoch, records, judgements=judgements).items()
    }
    assert found["a1"] == found["b2"]
    assert found["a0"] != found["b0"]
    # what is different from one is different from who is the same
    assert found["a2"] not in (found["a1"], found["b2"])


def test_judgements_join_more_records_than_a_component_can_hold(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> None:
    ids = [f"m{number:03}" for number in range(MAX_COMPONENT + 20)]
    records: list[Record] = [{"record_id": i, "entity_type": "person", "given_name": "A"} for i in ids]
    found = clusters_of(con, epoch, records, judgements=tuple((a, b, "same") for a, b in pairwise(ids)))
    assert {cluster for cluster, _ in found.values()} == {ids[0]}


@pytest.mark.parametrize("seed", range(8))
def test_components_are_those_of_the_library(seed: int) -> None:
    chance = np.random.default_rng(seed)
    # from lone records to one component with long ways through it
    left, right = chance.integers(0, 3_000, (2, 500 * (seed + 1)))
    found = components(3_000, Edges(left, right, np.ones(left.size)))
    graph = coo_array((np.ones(left.size), (left, right)), shape=(3_000, 3_000))
    count, part = connected_components(graph, directed=False)
    first = np.array([np.flatnonzero(part == number)[0] for number in range(count)])
    assert found.tolist() == first[part].tolist()


def some_components(seed: int) -> tuple[Places, list[Places], Edges]:
    """Components of three to eleven records in any order: who is first in each, their records, all their pairs."""
    chance = np.random.default_rng(seed)
    sizes = chance.integers(3, 12, 40)
    number = chance.permutation(np.repeat(np.arange(40), sizes))
    members = [np.flatnonzero(number == n) for n in range(40)]
    part = np.array([members[n][0] for n in number])
    pairs = np.array([pair for member in members for pair in combinations(member, 2)])
    mean = chance.uniform(-0.5, 1, 40)
    # within the bounds: two weights cut to one would be taken in another order than the library's
    weight = 2 + 8 * np.tanh(chance.normal(np.repeat(mean, sizes * (sizes - 1) // 2), 0.5))
    order = chance.permutation(weight.size)
    return part, members, Edges(pairs[order, 0], pairs[order, 1], weight[order])


def groups_of(part: Places, member: Places) -> set[frozenset[int]]:
    return {frozenset(member[part[member] == group].tolist()) for group in part[member]}


def library_groups(member: Places, weights: Edges) -> set[frozenset[int]]:
    known = dict(zip(zip(weights.left.tolist(), weights.right.tolist(), strict=True), weights.weight, strict=True))
    condensed = np.array([BEST - known[pair] for pair in combinations(member.tolist(), 2)])
    group = fcluster(linkage(condensed, method="average"), t=BEST, criterion="distance")
    return {frozenset(member[group == number].tolist()) for number in group}


@pytest.mark.parametrize("seed", range(8))
def test_many_components_together_are_grouped_as_the_library_groups_each(seed: int) -> None:
    part, members, weights = some_components(seed)
    alone = np.arange(part.size)
    found = refine(part, np.unique(part), weights, Judged(alone, Edges.none(), Edges.none()), Contradictions.none())
    grouped = [groups_of(found, member) for member in members]
    assert grouped == [library_groups(member, weights) for member in members]
    assert any(len(groups) > 1 for groups in grouped)
    assert all(found[m[0]] == m[0] for m in members)
    assert (found[found] == found).all()


def test_a_cluster_is_as_sure_as_the_weakest_branch_of_its_strongest_tree() -> None:
    chance = np.random.default_rng(7)
    sizes = chance.integers(1, 7, 400)
    part = np.repeat(np.cumsum(sizes) - sizes, sizes)
    place = np.arange(part.size)
    left, right = (side.ravel() for side in np.meshgrid(place, place, indexing="ij"))
    # links within clusters and between them, some clusters left with few or none
    kept = (left < right) & (chance.random(left.size) < np.where(part[left] == part[right], 0.6, 0.001))
    links = Edges(left[kept], right[kept], np.round(chance.normal(4, 3, np.count_nonzero(kept)), 6))
    best, weakest = _confidences(part, links)
    for cluster in np.unique(part):
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
    assert {*sizes.tolist()} == {*range(1, 7)}


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
