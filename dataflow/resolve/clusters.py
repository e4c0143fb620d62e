"""From edges to clusters: connected components, then a refinement that undoes what one false edge has joined.

A component in which every pair is linked stays as it is, and so does one whose links hold it together whatever its
other pairs weigh. In any other, all pairs are looked at, also those that blocking never brought together, and records
are merged pair of groups by pair of groups, best average weight first, while that average is in favour. What stewards
have said outranks all weights: groups with records that are the same become one, and groups that hold records which are
different are never merged. The outcome depends on the set of records, edges and judgements and on nothing else: records
are taken in the order of their ids, and a component is refined from scratch each time it is touched.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

from dataflow.resolve.edges import records_in_pairs
from dataflow.resolve.model import Epoch
from dataflow.resolve.pairs import numbered
from dataflow.resolve.refinement import Edges, Floats, Ints, Judged, components, held_parts, refine
from dataflow.resolve.scoring import score_pairs
from dataflow.resolve.spec import EntitySpec

# all pairs of a component are scored, so its size is what bounds the cost; a larger one is cut at rising weights
MAX_COMPONENT = 80
CUT_STEP = 2.0
# the weight of a steward's word where a link is asked how strong it is: a probability of 1
SAID = 60.0


def find_clusters(
    con: duckdb.DuckDBPyConnection,
    records: str,
    edges: str,
    *,
    epoch: Epoch,
    spec: EntitySpec,
    into: str,
    judged: str | None = None,
) -> None:
    """Cluster the match records `records` by `edges`, which must hold every stored edge between them.

    `judged` is a relation (record_id_l, record_id_r, verdict) of what holds among them, `same` or `different`, free of
    contradiction.
    Shape of the temporary table `into`: record_id, cluster (the smallest record id in it), confidence (probability of
    the record's best link, 1 when alone), cluster_confidence (weakest link that holds it together), is_oversized.
    """
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE cluster_member AS
        SELECT row_number() OVER (ORDER BY record_id) - 1 AS place, record_id FROM {records}
    """)
    count = con.table("cluster_member").shape[0]
    stored = _fetch_edges(con, edges)
    said = _fetch_judged(con, judged, count)
    link_weight = float(np.log2(epoch.link_threshold / (1 - epoch.link_threshold)))
    links = stored.take(stored.weight >= link_weight)
    part, oversized = _bounded_components(said, links, link_weight)
    loose = _loose_parts(part, links, said)
    loose = np.setdiff1d(loose, held_parts(part, np.setdiff1d(loose, said.pairs_within(part)), stored))
    if loose.size:
        part = refine(part, loose, _score_within(con, records, part, loose, stored, epoch=epoch, spec=spec), said)
    confidence, weakest = _confidences(part, _with_words(links, said.same))
    _store(con, part, oversized, confidence, weakest, into=into)


def _fetch_edges(con: duckdb.DuckDBPyConnection, edges: str) -> Edges:
    rows = con.execute(f"""
        SELECT l.place AS l, r.place AS r, e.match_weight AS w FROM {edges} e
        JOIN cluster_member l ON l.record_id = e.record_id_l
        JOIN cluster_member r ON r.record_id = e.record_id_r
    """).fetchnumpy()
    return Edges(
        np.asarray(rows["l"], dtype=np.int64), np.asarray(rows["r"], dtype=np.int64), np.asarray(rows["w"], dtype=float)
    )


def _fetch_judged(con: duckdb.DuckDBPyConnection, judged: str | None, count: int) -> Judged:
    same, different = (
        _fetch_edges(con, f"(SELECT *, {SAID} AS match_weight FROM {judged} WHERE verdict = '{verdict}')")
        if judged is not None
        else Edges(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
        for verdict in ("same", "different")
    )
    # a component for each record of millions is not looked for where nobody has said anything
    group = components(count, same) if same.left.size else np.arange(count)
    return Judged(group, same, different)


def _with_words(links: Edges, same: Edges) -> Edges:
    """The links and the judged pairs; on a pair that is both the word counts."""
    if not same.left.size:
        return links
    span = int(max(links.right.max(initial=0), same.right.max(initial=0))) + 1
    silent = links.take(~np.isin(links.left * span + links.right, same.left * span + same.right))
    return silent.plus(same)


def _bounded_components(said: Judged, links: Edges, link_weight: float) -> tuple[Ints, NDArray[np.bool_]]:
    """Components, the oversized ones cut at ever higher weights; and which records were in an oversized one.

    What stewards have put together is never cut, and counts as one record.
    """
    count = said.group.size
    first = np.unique(said.group, return_index=True)[1] if said.same.left.size else np.arange(count)
    part = components(count, _with_words(links, said.same))
    oversized = np.zeros(count, dtype=bool)
    floor = np.full(count, link_weight)
    while True:
        big = np.bincount(part[first], minlength=count)[part] > MAX_COMPONENT
        if not big.any():
            return part, oversized
        oversized |= big
        floor[big] += CUT_STEP
        kept = links.take(links.weight >= floor[links.left])
        part = components(count, _with_words(kept, said.same))


def _loose_parts(part: Ints, links: Edges, said: Judged) -> Ints:
    """Components of three and more in which not every pair is linked, and all in which two records are different."""
    inside = part[links.left] == part[links.right]
    size = np.bincount(part)
    linked = np.bincount(part[links.left[inside]], minlength=size.size)
    loose = (size > 2) & (linked < size * (size - 1) // 2)
    loose[part[said.different.left][part[said.different.left] == part[said.different.right]]] = True
    return np.flatnonzero(loose)


def _score_within(
    con: duckdb.DuckDBPyConnection,
    records: str,
    part: Ints,
    loose: Ints,
    stored: Edges,
    *,
    epoch: Epoch,
    spec: EntitySpec,
) -> Edges:
    """Weights of all pairs within the loose components; those that are stored were scored before."""
    is_loose = np.zeros(int(part.max()) + 1, dtype=bool)
    is_loose[loose] = True
    known = stored.take(is_loose[part[stored.left]] & (part[stored.left] == part[stored.right]))
    place = np.flatnonzero(is_loose[part])
    con.register("loose_arrow", pa.table({"place": place, "part": part[place]}))
    con.register("known_arrow", pa.table({"l": known.left, "r": known.right}))
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE loose_pair AS
        WITH pair AS (
            SELECT l.place AS l, r.place AS r FROM loose_arrow l JOIN loose_arrow r ON l.part = r.part
            WHERE l.place < r.place
        ),
        named AS (
            SELECT one.record_id AS record_id_l, other.record_id AS record_id_r
            FROM (FROM pair ANTI JOIN known_arrow USING (l, r))
            JOIN cluster_member one ON one.place = l JOIN cluster_member other ON other.place = r
        )
        FROM {numbered("named")}
    """)
    for name in ("loose_arrow", "known_arrow"):
        con.unregister(name)
    members = records_in_pairs(con, records, "loose_pair")
    score_pairs(con, "loose_pair", members, epoch, spec=spec, into="loose_weight")
    scored = _fetch_edges(con, "loose_weight")
    for table in ("loose_pair", "loose_weight"):
        con.execute(f"DROP TABLE {table}")
    return known.plus(scored)


def _confidences(part: Ints, links: Edges) -> tuple[Floats, Floats]:
    """Best link of each record, and weakest link that holds its cluster together, as probabilities."""
    held = links.take(part[links.left] == part[links.right])
    probability = 1 / (1 + np.exp2(-held.weight))
    best = np.zeros(part.size)
    np.maximum.at(best, held.left, probability)
    np.maximum.at(best, held.right, probability)
    size = np.bincount(part)
    weakest = np.ones(size.size)
    cluster = part[held.left]
    is_pair = size[cluster] == 2
    weakest[cluster[is_pair]] = probability[is_pair]
    # the strongest tree over a larger cluster: its weakest branch is what a cut would have to break
    weakest[size == 3] = _second_of_three(part, size, held.take(size[cluster] == 3))
    larger = held.take(size[cluster] > 3)
    member = np.flatnonzero(size[part] > 3)
    position = np.zeros(part.size, dtype=np.int64)
    position[member] = np.arange(member.size)
    branches = (1000 - larger.weight, (position[larger.left], position[larger.right]))
    tree = minimum_spanning_tree(coo_array(branches, shape=(member.size, member.size))).tocoo()
    np.minimum.at(weakest, part[member[tree.row]], 1 / (1 + np.exp2(tree.data - 1000)))
    return np.where(size[part] == 1, 1.0, best), weakest[part]


def _second_of_three(part: Ints, size: Ints, links: Edges) -> Floats:
    """The second best of the links of each cluster of three, in their order, as a probability; where refinement left
    them one link, that, and 1 where it left none."""
    first, last = _first_places(part, size), np.zeros(size.size, dtype=np.int64)
    np.maximum.at(last, part, np.arange(part.size))
    row = np.cumsum(size == 3) - 1
    weight = np.full((np.count_nonzero(size == 3), 3), -np.inf)
    cluster = part[links.left]
    # each of the three pairs of a cluster has a column
    column = 2 * (links.left == first[cluster]) + (links.right == last[cluster]) - 1
    weight[row[cluster], column] = links.weight
    _, second, best = np.sort(weight, axis=1).T
    deciding = np.where(np.isfinite(second), second, best)
    return np.where(np.isfinite(deciding), 1 / (1 + np.exp2(-deciding)), 1.0)


def _first_places(part: Ints, size: Ints) -> Ints:
    first = np.full(size.size, part.size)
    np.minimum.at(first, part, np.arange(part.size))
    return first


def _store(
    con: duckdb.DuckDBPyConnection,
    part: Ints,
    oversized: NDArray[np.bool_],
    confidence: Floats,
    weakest: Floats,
    *,
    into: str,
) -> None:
    record = con.execute("SELECT record_id FROM cluster_member ORDER BY place").to_arrow_table()["record_id"]
    # places are in the order of the ids, so that the first of a part has the smallest
    first = _first_places(part, np.bincount(part))
    columns = {
        "record_id": record,
        "cluster": record.take(pa.array(first[part])),
        "confidence": confidence,
        "cluster_confidence": weakest,
        "is_oversized": oversized,
    }
    con.register("part_arrow", pa.table(columns))
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {into} AS
        SELECT record_id, cluster, round(confidence, 6) AS confidence,
            round(cluster_confidence, 6) AS cluster_confidence, is_oversized
        FROM part_arrow
    """)
    con.unregister("part_arrow")
    con.execute("DROP TABLE cluster_member")
