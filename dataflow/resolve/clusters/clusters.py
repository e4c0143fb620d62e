"""Derive clusters from edges: connected components, then a refinement that undoes what one false edge has joined.

A component in which every pair is linked stays whole. In any other, groups of records are merged two by two, best
average weight first, while that average is positive. Judgements outrank all weights: groups with records judged the
same become one, and groups with records judged different are never merged. The outcome depends only on the set of
records, edges and judgements: records are taken in the order of their numbers, and a touched component is refined from
scratch.

The one table is `into` of find_clusters; its caller drops it.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

from dataflow.resolve.clusters.refinement import Edges, Floats, Judged, components, refine, tally
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
) -> None:
    """Cluster the match records `records` by `edges`, which must hold every stored edge between them.

    An edge with a probability of at least `link_threshold` is a link. `judgements` is a relation (record_id_l,
    record_id_r, verdict) of those that hold among the records, `same` or `different`, free of contradiction.
    Shape of the temporary table `into`: record_id, cluster (a number, unique among these records), confidence
    (probability of the record's best link, 1 when alone), cluster_confidence (weakest link that holds the cluster
    together), is_oversized.
    """
    register = Register(con, records)
    stored = register.edges(edges)
    judged = _judged(register, judgements)
    floor = math.log2(link_threshold / (1 - link_threshold))
    links = stored.take(stored.weight >= floor)
    part, oversized = _group(stored, links, judged, floor=floor)
    confidence, weakest = _confidences(part, _with_judgements(links, judged.same))
    found = {"cluster": part, "confidence": confidence, "cluster_confidence": weakest, "is_oversized": oversized}
    with ThreadPoolExecutor(2) as both:
        columns = both.map(itemgetter(register.place), found.values())
        _store(con, into, record_id=register.names, **dict(zip(found, columns, strict=True)))


def _group(stored: Edges, links: Edges, judged: Judged, *, floor: float) -> tuple[Places, NDArray[np.bool_]]:
    """Return the first record of each record's cluster, and which records were in an oversized component."""
    part, oversized = _bounded_components(judged, links, floor)
    if oversized.any():
        links = links.take(part[links.left] == part[links.right])
    return refine(part, _loose_parts(part, links, judged), stored, judged), oversized


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
    if not same.left.size:
        return links
    span = int(max(links.right.max(initial=0), same.right.max(initial=0))) + 1
    pair, judged_pair = (edges.left * span + edges.right for edges in (links, same))
    return links.take(~np.isin(pair, judged_pair)).plus(same)


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
