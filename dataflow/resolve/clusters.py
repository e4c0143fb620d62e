"""From edges to clusters: connected components, then a refinement that undoes what one false edge has joined.

A component in which every pair is linked stays as it is. In any other, all pairs are scored, also those that blocking
never brought together, and records are merged pair of groups by pair of groups, best average weight first, while
that average is in favour. What stewards have said outranks all weights: groups with records that are the same become
one, and groups that hold records which are different are never merged. The outcome depends on the set of records, edges
and judgements and on nothing else: records are taken in the order of their ids, and a component is refined from scratch
each time it is touched.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial.distance import squareform

from dataflow.resolve.edges import records_in_pairs
from dataflow.resolve.model import Epoch
from dataflow.resolve.scoring import score_pairs
from dataflow.resolve.spec import EntitySpec

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# all pairs of a component are scored, so its size is what bounds the cost; a larger one is cut at rising weights
MAX_COMPONENT = 80
CUT_STEP = 2.0
# no pair of records, however alike or unlike, outvotes more than a few others
BEST = 10.0
WORST = -6.0
# the weight of a steward's word where a link is asked how strong it is: a probability of 1
SAID = 60.0


@dataclass(frozen=True)
class Edges:
    """Pairs of positions in the sorted list of records, and their weights."""

    left: Ints
    right: Ints
    weight: Floats

    def take(self, chosen: NDArray[np.bool_] | Ints) -> Edges:
        return Edges(self.left[chosen], self.right[chosen], self.weight[chosen])


@dataclass(frozen=True)
class Judged:
    """What stewards have said: `group` of each record (alone, or with those that are the same), and pairs."""

    group: Ints
    same: Edges
    different: Edges

    def pairs_within(self, part: Ints) -> Ints:
        """The parts in which there is a judged pair."""
        pairs = [part[edges.left][part[edges.left] == part[edges.right]] for edges in (self.same, self.different)]
        return np.unique(np.concatenate(pairs))


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
    if loose.size:
        weights = _score_within(con, records, part, loose, epoch=epoch, spec=spec)
        part = _refine(part, loose, weights, said)
    confidence, weakest = _confidences(part, _with_words(links, said.same))
    _store(con, part, oversized, confidence, weakest, into=into)


def _fetch_edges(con: duckdb.DuckDBPyConnection, edges: str) -> Edges:
    rows = con.execute(f"""
        SELECT l.place AS l, r.place AS r, e.match_weight AS w FROM {edges} e
        JOIN cluster_member l ON l.record_id = e.record_id_l
        JOIN cluster_member r ON r.record_id = e.record_id_r
        ORDER BY ALL
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
    group = _components(count, same) if same.left.size else np.arange(count)
    return Judged(group, same, different)


def _with_words(links: Edges, same: Edges) -> Edges:
    """The links and the judged pairs; on a pair that is both the word counts."""
    if not same.left.size:
        return links
    span = int(max(links.right.max(initial=0), same.right.max(initial=0))) + 1
    silent = links.take(~np.isin(links.left * span + links.right, same.left * span + same.right))
    return Edges(
        np.concatenate([silent.left, same.left]),
        np.concatenate([silent.right, same.right]),
        np.concatenate([silent.weight, same.weight]),
    )


def _components(count: int, edges: Edges) -> Ints:
    graph = coo_array((np.ones(edges.left.size, dtype=np.int8), (edges.left, edges.right)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _bounded_components(said: Judged, links: Edges, link_weight: float) -> tuple[Ints, NDArray[np.bool_]]:
    """Components, the oversized ones cut at ever higher weights; and which records were in an oversized one.

    What stewards have put together is never cut, and counts as one record.
    """
    count = said.group.size
    first = np.unique(said.group, return_index=True)[1] if said.same.left.size else np.arange(count)
    part = _components(count, _with_words(links, said.same))
    oversized = np.zeros(count, dtype=bool)
    floor = np.full(count, link_weight)
    while True:
        big = np.bincount(part[first], minlength=count)[part] > MAX_COMPONENT
        if not big.any():
            return part, oversized
        oversized |= big
        floor[big] += CUT_STEP
        kept = links.take(links.weight >= floor[links.left])
        part = _components(count, _with_words(kept, said.same))


def _loose_parts(part: Ints, links: Edges, said: Judged) -> Ints:
    """Components of three and more in which not every pair is linked, and all in which two records are different."""
    inside = part[links.left] == part[links.right]
    size = np.bincount(part)
    linked = np.bincount(part[links.left[inside]], minlength=size.size)
    loose = (size > 2) & (linked < size * (size - 1) // 2)
    loose[part[said.different.left][part[said.different.left] == part[said.different.right]]] = True
    return np.flatnonzero(loose)


def _score_within(
    con: duckdb.DuckDBPyConnection, records: str, part: Ints, loose: Ints, *, epoch: Epoch, spec: EntitySpec
) -> Edges:
    """Weights of all pairs within the loose components."""
    place = np.flatnonzero(np.isin(part, loose))
    con.register("loose_arrow", pa.table({"place": place, "part": part[place]}))
    con.execute("""
        CREATE OR REPLACE TEMP TABLE loose_pair AS
        WITH member AS (SELECT m.record_id, a.part FROM loose_arrow a JOIN cluster_member m ON m.place = a.place)
        SELECT l.record_id AS record_id_l, r.record_id AS record_id_r
        FROM member l JOIN member r ON l.part = r.part AND l.record_id < r.record_id
    """)
    con.unregister("loose_arrow")
    members = records_in_pairs(con, records, "loose_pair")
    score_pairs(con, "loose_pair", members, epoch, spec=spec, into="loose_weight")
    weights = _fetch_edges(con, "loose_weight")
    for table in ("loose_pair", "loose_weight"):
        con.execute(f"DROP TABLE {table}")
    return weights


def _refine(part: Ints, loose: Ints, weights: Edges, said: Judged) -> Ints:
    """Split each loose component into groups whose members favour one another on average.

    `weights` holds every pair within a loose component, in the order of left and right.
    """
    refined = part.copy()
    next_part = int(part.max()) + 1
    sizes = np.bincount(part)[loose]
    place = np.flatnonzero(np.isin(part, loose))
    member = place[np.argsort(part[place], kind="stable")]
    # sorted by component, the pairs of each are its condensed distance matrix
    weight = np.clip(weights.weight, WORST, BEST)[np.argsort(part[weights.left], kind="stable")]
    ends, pair_ends = np.cumsum(sizes), np.cumsum(sizes * (sizes - 1) // 2)
    is_judged = np.isin(loose, said.pairs_within(part))
    for end, pair_end, size, judged in zip(ends, pair_ends, sizes, is_judged, strict=True):
        inside = member[end - size : end]
        own = weight[pair_end - size * (size - 1) // 2 : pair_end]
        groups = _group_as_said(own, inside, said) if judged else _group(own)
        if split := int(groups.max()):
            refined[inside] = np.where(groups > 0, groups + (next_part - 1), refined[inside])
            next_part += split
    return refined


def _group(weight: Floats) -> Ints:
    """Number the groups of one component from its pairs' weights, a condensed matrix."""
    tree = linkage(BEST - weight, method="average")
    return np.asarray(fcluster(tree, t=BEST, criterion="distance") - 1, dtype=np.int64)


def _group_as_said(weight: Floats, member: Ints, said: Judged) -> Ints:
    """The same, with what stewards have said: who is the same brings along whoever the weights put with them.

    Where that would put two together that are different, those who are the same are one from the start, and the
    others come to them as far as their weights and the words allow.
    """
    alike = squareform(weight)
    same = np.unique(said.group[member], return_inverse=True)[1]
    apart = _apart(same, member, said, int(same.max()) + 1)
    by_weight = _merge(alike, np.arange(member.size), apart[same][:, same])
    edges = Edges(by_weight, member.size + same, np.ones(member.size))
    joined = _components(2 * member.size, edges)[by_weight]
    if (apart[same][:, same] & (joined == joined[:, None])).any():
        joined = _merge(alike, same, apart)
    return np.unique(joined, return_inverse=True)[1].astype(np.int64)


def _merge(alike: Floats, group: Ints, apart: NDArray[np.bool_]) -> Ints:
    """Merge groups pair by pair, best average weight first, while it is in favour and they are not apart."""
    count = apart.shape[0]
    of_group = np.zeros((count, group.size))
    of_group[group, np.arange(group.size)] = 1
    total, records, apart = of_group @ alike @ of_group.T, of_group.sum(axis=1), apart.copy()
    root = np.arange(count)
    while True:
        average = total / np.maximum(np.outer(records, records), 1)
        average[apart | np.tri(count, dtype=bool) | (records == 0) | (records == 0)[:, None]] = -np.inf
        left, right = np.unravel_index(int(average.argmax()), average.shape)
        if not average[left, right] >= 0:
            return root[group]
        for table in (total, total.T):
            table[left] += table[right]
        apart[left] |= apart[right]
        apart[:, left] |= apart[:, right]
        records[left], records[right] = records[left] + records[right], 0
        root[root == right] = left


def _apart(group: Ints, member: Ints, said: Judged, count: int) -> NDArray[np.bool_]:
    """Which groups of a component hold records that are different from one another."""
    apart = np.zeros((count, count), dtype=bool)
    inside = np.isin(said.different.left, member) & np.isin(said.different.right, member)
    # members stand in the order of their places
    one = group[np.searchsorted(member, said.different.left[inside])]
    other = group[np.searchsorted(member, said.different.right[inside])]
    apart[one, other] = apart[other, one] = True
    return apart


def _confidences(part: Ints, links: Edges) -> tuple[Floats, Floats]:
    """Best link of each record, and weakest link that holds its cluster together, as probabilities."""
    held = links.take(part[links.left] == part[links.right])
    probability = 1 / (1 + np.exp2(-held.weight))
    best = np.zeros(part.size)
    np.maximum.at(best, held.left, probability)
    np.maximum.at(best, held.right, probability)
    # the strongest tree over a cluster: its weakest branch is what a cut would have to break
    cost = 1000 - held.weight
    tree = minimum_spanning_tree(coo_array((cost, (held.left, held.right)), shape=(part.size, part.size))).tocoo()
    weakest = np.ones(int(part.max(initial=-1)) + 1)
    np.minimum.at(weakest, part[tree.row], 1 / (1 + np.exp2(tree.data - 1000)))
    alone = np.bincount(part, minlength=weakest.size)[part] == 1
    return np.where(alone, 1.0, best), weakest[part]


def _store(
    con: duckdb.DuckDBPyConnection,
    part: Ints,
    oversized: NDArray[np.bool_],
    confidence: Floats,
    weakest: Floats,
    *,
    into: str,
) -> None:
    columns = {
        "place": np.arange(part.size),
        "part": part,
        "is_oversized": oversized,
        "confidence": confidence,
        "cluster_confidence": weakest,
    }
    con.register("part_arrow", pa.table(columns))
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {into} AS
        SELECT m.record_id, min(m.record_id) OVER (PARTITION BY a.part) AS cluster,
            round(a.confidence, 6) AS confidence, round(a.cluster_confidence, 6) AS cluster_confidence, a.is_oversized
        FROM part_arrow a JOIN cluster_member m ON m.place = a.place
    """)
    con.unregister("part_arrow")
    con.execute("DROP TABLE cluster_member")
