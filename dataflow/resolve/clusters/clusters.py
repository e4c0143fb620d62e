"""Derive clusters from edges: connected components, then a refinement that undoes what one false edge has joined.

A component in which every pair is linked stays whole. In any other, groups of records are merged two by two, best
average weight first, while that average is positive. Records that contradict each other and have no edge are never in
one group.
Judgements outrank both: groups with records judged the same become one, and groups with records judged different are
never merged. The outcome depends only on the set of records, edges and judgements: records are taken in the order of
their numbers, and a touched component is refined from scratch.

The one table is `into` of find_clusters; its caller drops it.
"""

from __future__ import annotations

import math
import re
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataflow.resolve.clusters.refinement import Contradictions, Edges, Floats, Judged, components, refine, tally
from dataflow.resolve.clusters.register import Register
from dataflow.resolve.pairs.order import Places

MAX_COMPONENT = 80
"""Records of a component: refining weighs all its pairs, so its size bounds the cost. A larger one is cut at rising
weights."""
CUT_STEP = 2.0
JUDGED_WEIGHT = 60.0
"""The weight of a judged pair where confidences are computed: a probability of 1."""


def find_clusters(
    con: duckdb.DuckDBPyConnection,
    records: str,
    edges: str,
    *,
    link_threshold: float,
    into: str,
    judgements: str | None = None,
    contradiction: str | None = None,
) -> None:
    """Cluster the match records `records` by `edges`, which must hold every stored edge between them.

    An edge with a probability of at least `link_threshold` is a link. `judgements` is a relation (record_id_l,
    record_id_r, verdict) of those that hold among the records, `same` or `different`, free of contradiction.
    `contradiction` is a condition on the columns of two records (`_l`, `_r`): only an edge between these two, or
    judgements, can bring them together.
    Shape of the temporary table `into`: record_id, cluster (a number, unique among these records), confidence
    (probability of the record's best link, 1 when alone), cluster_confidence (weakest link that holds the cluster
    together), is_oversized.
    """
    register = Register(con, records)
    stored = register.edges(edges)
    judged = _judged(register, judgements)
    floor = math.log2(link_threshold / (1 - link_threshold))
    links = stored.take(stored.weight >= floor)
    part, oversized = _bounded_components(judged, links, floor)
    if oversized.any():
        links = links.take(part[links.left] == part[links.right])
    loose = _loose_parts(part, links, judged)
    contradicting = _contradicting(con, records, register, part, loose, contradiction)
    is_edge = _is_among(contradicting, stored)
    contradictions = Contradictions(barred=contradicting.take(~is_edge), excused=contradicting.take(is_edge))
    part = refine(part, loose, stored, judged, contradictions)
    confidence, weakest = _confidences(part, _with_judgements(links, judged.same))
    found = {"cluster": part, "confidence": confidence, "cluster_confidence": weakest, "is_oversized": oversized}
    with ThreadPoolExecutor(2) as both:
        columns = both.map(itemgetter(register.place), found.values())
        _store(con, into, record_id=register.names, **dict(zip(found, columns, strict=True)))


def _judged(register: Register, judgements: str | None) -> Judged:
    same, different = (
        register.edges(f"(SELECT *, {JUDGED_WEIGHT} AS match_weight FROM {judgements} WHERE verdict = '{verdict}')")
        if judgements is not None
        else Edges.none()
        for verdict in ("same", "different")
    )
    return Judged(components(len(register), same), same, different)


def _with_judgements(links: Edges, same: Edges) -> Edges:
    """Return the links and the judged pairs; a pair that is both has the weight of the judgement."""
    return links.take(~_is_among(links, same)).plus(same) if same.left.size else links


def _is_among(edges: Edges, others: Edges) -> NDArray[np.bool_]:
    """Return of each edge whether its pair is among the others."""
    if not edges.left.size or not others.left.size:
        return np.zeros(edges.left.size, dtype=bool)
    count = int(max(edges.left.max(), edges.right.max(), others.left.max(), others.right.max())) + 1
    pair, other = (
        np.minimum(both.left, both.right) * count + np.maximum(both.left, both.right) for both in (edges, others)
    )
    return np.isin(pair, other)


def _bounded_components(judged: Judged, links: Edges, lowest: float) -> tuple[Places, NDArray[np.bool_]]:
    """Return components, the oversized ones cut at rising weights, and which records were in an oversized one.

    Records judged the same are never cut apart, and count as one record.
    """
    count = judged.group.size
    counted = np.flatnonzero(judged.group == np.arange(count)) if judged.same.left.size else slice(None)
    part = components(count, _with_judgements(links, judged.same))
    oversized = np.zeros(count, dtype=bool)
    floor = np.full(count, lowest)
    while (big := tally(part[counted], count) > MAX_COMPONENT).any():
        of_big = big[part]
        oversized |= of_big
        floor[of_big] += CUT_STEP
        kept = links.take(links.weight >= floor[links.left])
        part = components(count, _with_judgements(kept, judged.same))
    return part, oversized


def _loose_parts(part: Places, links: Edges, judged: Judged) -> Places:
    """Return the components to refine: of three records or more with an unlinked pair, or with a pair judged different.

    `links` are those within components.
    """
    size = tally(part, part.size)
    linked = tally(part[links.left], part.size)
    loose = (size > 2) & (linked < size * (size - 1) // 2)
    loose[part[judged.different.left][part[judged.different.left] == part[judged.different.right]]] = True
    return np.flatnonzero(loose)


def _contradicting(
    con: duckdb.DuckDBPyConnection,
    records: str,
    register: Register,
    part: Places,
    loose: Places,
    contradiction: str | None,
) -> Edges:
    """Return the pairs within the loose components that contradict each other."""
    if contradiction is None or not loose.size:
        return Edges.none()
    is_loose = np.zeros(part.size, dtype=bool)
    is_loose[loose] = True
    place = np.flatnonzero(is_loose[part])
    columns = sorted(set(re.findall(r"(\w+)_[lr]\b", contradiction)))
    sides = ", ".join(f"{side}.{column} AS {column}_{side}" for column in columns for side in "lr")
    con.register("loose_arrow", pa.table({"record_id": register.ids(place), "place": place, "part": part[place]}))
    found = con.execute(f"""
        WITH member AS MATERIALIZED (
            SELECT place, part, {", ".join(columns)} FROM loose_arrow JOIN {records} USING (record_id)
            WHERE {" AND ".join(f"{column} IS NOT NULL" for column in columns)}
        ),
        pair AS (
            SELECT l.place AS one, r.place AS other, {sides} FROM member l JOIN member r USING (part)
            WHERE l.place < r.place AND ({" OR ".join(f"l.{column} <> r.{column}" for column in columns)})
        )
        SELECT one, other FROM pair WHERE {contradiction} ORDER BY ALL
    """).to_arrow_table()
    con.unregister("loose_arrow")
    left, right = (found[side].to_numpy().astype(np.intp) for side in ("one", "other"))
    return Edges(left, right, np.zeros(left.size))


def _confidences(part: Places, links: Edges) -> tuple[Floats, Floats]:
    """Return the best link of each record, and the weakest link that holds its cluster together, as probabilities.

    A record without a link within its cluster has 0, or 1 when alone; a cluster without links has 1.
    """
    held = links.take(part[links.left] == part[links.right])
    weight = np.full(part.size, -np.inf)
    np.maximum.at(weight, held.left, held.weight)
    np.maximum.at(weight, held.right, held.weight)
    best = _probability(weight)
    size = tally(part, part.size)[part]
    # in a cluster of two or three records the least of the best links is the weakest one that holds it together
    weakest = np.ones(part.size)
    np.minimum.at(weakest, part, np.where((best > 0) & (size < 4), best, 1))
    # in a larger cluster it is the weakest branch of the maximum spanning tree
    member = np.flatnonzero(size > 3)
    position = np.zeros(part.size, dtype=np.intp)
    position[member] = np.arange(member.size)
    larger = held.take(size[held.left] > 3)
    branches = (1000 - larger.weight, (position[larger.left], position[larger.right]))
    # Imported here: a run without changed records does not wait for it.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    tree = minimum_spanning_tree(coo_array(branches, shape=(member.size, member.size))).tocoo()
    np.minimum.at(weakest, part[member[tree.row]], _probability(1000 - tree.data))
    best[size == 1] = 1
    return best, weakest[part]


def _probability(weight: Floats) -> Floats:
    # in place: for ten million records each further array costs as much as the arithmetic
    found = np.negative(weight)
    np.exp2(found, out=found)
    found += 1
    return np.reciprocal(found, out=found)


def _store(con: duckdb.DuckDBPyConnection, into: str, **columns: Any) -> None:
    con.register("clustered_arrow", pa.table(columns))
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {into} AS
        SELECT * REPLACE (
            round(confidence, 6) AS confidence, round(cluster_confidence, 6) AS cluster_confidence
        ) FROM clustered_arrow
    """)
    con.unregister("clustered_arrow")
