"""From edges to clusters: connected components, then a refinement that undoes what one false edge has joined.

A component in which every pair is linked stays as it is, and so does one whose links hold it together whatever its
other pairs weigh. In any other, all pairs are looked at, also those that blocking never brought together, and records
are merged pair of groups by pair of groups, best average weight first, while that average is in favour. What stewards
have said outranks all weights: groups with records that are the same become one, and groups that hold records which are
different are never merged. The outcome depends on the set of records, edges and judgements and on nothing else: records
are taken in the order of their ids, and a component is refined from scratch each time it is touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from dataflow.resolve.edges import records_in_pairs
from dataflow.resolve.model import Epoch
from dataflow.resolve.pairs import numbered
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
# components are refined many at a time: so many pairs at once
_MATRIX_CELLS = 4_000_000
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

    def plus(self, others: Edges) -> Edges:
        return Edges(
            np.concatenate([self.left, others.left]),
            np.concatenate([self.right, others.right]),
            np.concatenate([self.weight, others.weight]),
        )


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
    loose = np.setdiff1d(loose, _held_parts(part, np.setdiff1d(loose, said.pairs_within(part)), stored))
    if loose.size:
        part = _refine(part, loose, _score_within(con, records, part, loose, stored, epoch=epoch, spec=spec), said)
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
    group = _components(count, same) if same.left.size else np.arange(count)
    return Judged(group, same, different)


def _with_words(links: Edges, same: Edges) -> Edges:
    """The links and the judged pairs; on a pair that is both the word counts."""
    if not same.left.size:
        return links
    span = int(max(links.right.max(initial=0), same.right.max(initial=0))) + 1
    silent = links.take(~np.isin(links.left * span + links.right, same.left * span + same.right))
    return silent.plus(same)


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


def _held_parts(part: Ints, loose: Ints, stored: Edges) -> Ints:
    """The loose components that stay whole even if all that is not known of them were as bad as can be."""
    held = [np.empty(0, np.int64)]
    for member, alike in _matrices(part, loose, stored):
        root = _group(alike)
        held.append(part[member[(root == 0).all(axis=1), 0]])
    return np.concatenate(held)


def _refine(part: Ints, loose: Ints, weights: Edges, said: Judged) -> Ints:
    """Split each loose component into groups whose members favour one another on average.

    `weights` holds every pair within a loose component.
    """
    refined = part.copy()
    next_part = int(part.max()) + 1
    is_judged = np.zeros(next_part, dtype=bool)
    is_judged[said.pairs_within(part)] = True
    for member, alike in _matrices(part, loose, weights):
        count, size = member.shape
        root = _group(alike)
        for row in np.flatnonzero(is_judged[part[member[:, 0]]]):
            root[row] = _group_as_said(alike[row], member[row], said)
        # whoever does not stay with the first record is in a part that is named after its own first
        apart = np.arange(count)[:, None] * size + root
        refined[member] = np.where(root > 0, next_part + apart, refined[member])
        next_part += count * size
    return refined


def _matrices(part: Ints, chosen: Ints, weights: Edges) -> Iterator[tuple[Ints, Floats]]:
    """The chosen components, many of one size at a time: their records, and the bounded weights of their pairs.

    Shapes: count x size, count x size x size; a pair of which `weights` knows nothing is at the worst.
    """
    number = np.full(int(part.max(initial=-1)) + 1, -1)
    number[chosen] = np.arange(chosen.size)
    place = np.flatnonzero(number[part] >= 0)
    place = place[np.argsort(number[part[place]], kind="stable")]
    sizes = np.bincount(number[part[place]], minlength=chosen.size)
    first = np.cumsum(sizes) - sizes
    position = np.zeros(part.size, dtype=np.int64)
    position[place] = np.arange(place.size) - np.repeat(first, sizes)
    known = weights.take((number[part[weights.left]] >= 0) & (part[weights.left] == part[weights.right]))
    component = number[part[known.left]]
    by_component = np.argsort(component, kind="stable")
    known, ends = known.take(by_component), np.cumsum(np.bincount(component, minlength=chosen.size))
    for size in np.unique(sizes):
        of_size = np.flatnonzero(sizes == size)
        for some in np.array_split(of_size, -(-of_size.size * size * size // _MATRIX_CELLS)):
            member = place[first[some][:, None] + np.arange(size)]
            pairs = np.diff(ends, prepend=0)[some]
            row = np.repeat(np.arange(some.size), pairs)
            own = known.take(np.repeat(ends[some] - np.cumsum(pairs), pairs) + np.arange(row.size))
            alike = np.full((some.size, size, size), WORST)
            left, right = position[own.left], position[own.right]
            alike[row, left, right] = alike[row, right, left] = np.clip(own.weight, WORST, BEST)
            yield member, alike


def _group(alike: Floats) -> Ints:
    """The first record of each record's group, in many components of one size."""
    return _merge(alike, np.ones(alike.shape[:2]), np.zeros(alike.shape, dtype=bool))


def _group_as_said(alike: Floats, member: Ints, said: Judged) -> Ints:
    """The same in one component, with what stewards have said: who is the same brings along those whom the weights put
    with them.

    Where that would put two together that are different, those who are the same are one from the start, and the
    others come to them as far as their weights and the words allow.
    """
    same = np.unique(said.group[member], return_inverse=True)[1]
    apart = _apart(same, member, said, int(same.max()) + 1)
    by_weight = _merge_groups(alike, np.arange(member.size), apart[same][:, same])
    edges = Edges(by_weight, member.size + same, np.ones(member.size))
    joined: Ints = _components(2 * member.size, edges)[by_weight]
    if (apart[same][:, same] & (joined == joined[:, None])).any():
        joined = _merge_groups(alike, same, apart)
    _, first, group = np.unique(joined, return_index=True, return_inverse=True)
    return np.asarray(first[group], dtype=np.int64)


def _merge_groups(alike: Floats, group: Ints, apart: NDArray[np.bool_]) -> Ints:
    """Merge the groups of one component: the group that each record comes to."""
    of_group = np.zeros((apart.shape[0], group.size))
    of_group[group, np.arange(group.size)] = 1
    total, records = of_group @ alike @ of_group.T, of_group.sum(axis=1)
    return np.asarray(_merge(total[None], records[None], apart[None])[0][group], dtype=np.int64)


def _merge(total: Floats, records: Floats, apart: NDArray[np.bool_]) -> Ints:
    """Merge groups pair by pair, best average weight first, while it is in favour and they are not apart.

    Many components of one number of groups at once: `total` (component, group, group) sums the weights between two
    groups, `records` (component, group) counts them. Returns the first group that each came to, of the shape of
    `records`.
    """
    count, size = records.shape
    root = np.tile(np.arange(size), (count, 1))
    total, records, apart = total.copy(), records.copy(), apart.copy()
    going = np.arange(count)
    while going.size:
        average = total / np.maximum(records[:, :, None] * records[:, None, :], 1)
        is_gone = records == 0
        average[np.tri(size, dtype=bool) | apart | is_gone[:, :, None] | is_gone[:, None, :]] = -np.inf
        best = average.reshape(going.size, -1).argmax(axis=1)
        left, right = np.unravel_index(best, (size, size))
        goes_on = average[np.arange(going.size), left, right] >= 0
        going, left, right = going[goes_on], left[goes_on], right[goes_on]
        total, records, apart = total[goes_on], records[goes_on], apart[goes_on]
        row = np.arange(going.size)
        total[row, left] += total[row, right]
        total[row, :, left] += total[row, :, right]
        apart[row, left] |= apart[row, right]
        apart[row, :, left] |= apart[row, :, right]
        records[row, left] += records[row, right]
        records[row, right] = 0
        merged = root[going]
        root[going] = np.where(merged == right[:, None], left[:, None], merged)
    return root


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
