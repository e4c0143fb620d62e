"""Components refined: what one false edge has joined comes apart again, many components of one size at a time.

Records are merged pair of groups by pair of groups, best average weight first, while that average is in favour; what
stewards have said outranks all weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# no pair of records, however alike or unlike, outvotes more than a few others
BEST = 10.0
WORST = -6.0
# components are refined many at a time: so many pairs at once
_MATRIX_CELLS = 4_000_000


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


def components(count: int, edges: Edges) -> Ints:
    """The number of the connected component of each of `count` records."""
    graph = coo_array((np.ones(edges.left.size, dtype=np.int8), (edges.left, edges.right)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def held_parts(part: Ints, loose: Ints, stored: Edges) -> Ints:
    """The loose components that stay whole even if all that is not known of them were as bad as can be."""
    held = [np.empty(0, np.int64)]
    for member, alike in _matrices(part, loose, stored):
        root = _group(alike)
        held.append(part[member[(root == 0).all(axis=1), 0]])
    return np.concatenate(held)


def refine(part: Ints, loose: Ints, weights: Edges, said: Judged) -> Ints:
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
    joined: Ints = components(2 * member.size, edges)[by_weight]
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
