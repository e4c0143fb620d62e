"""Refine components: separate what one false edge has joined, many components of one size at a time.

Groups of records are merged two by two, best average weight first, while that average is positive; among equal ones the
two groups first whose weights to all others differ the least. Judgements outrank all weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from dataflow.resolve.pairs.order import Places

Counts = NDArray[np.int32]
Floats = NDArray[np.float64]

BEST = 10.0
"""Weights are bounded here and at WORST, so that one pair of records does not outvote many others."""
WORST = -6.0
UNKNOWN = -4.0
"""The weight of a pair without an edge: no key brought it together, or it scored below the review threshold. It is low
enough that one link of the best weight does not join two pairs that have no other edge."""
_MATRIX_CELLS = 4_000_000
"""Cells of the weight matrices that are refined in one batch."""


@dataclass(frozen=True)
class Edges:
    """Pairs of places of records (register.py), and their weights."""

    left: Places
    right: Places
    weight: Floats

    @classmethod
    def none(cls) -> Edges:
        return cls(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))

    def take(self, chosen: NDArray[np.bool_] | Places) -> Edges:
        with ThreadPoolExecutor(2) as both:
            left, right, weight = both.map(itemgetter(chosen), (self.left, self.right, self.weight))
        return Edges(left, right, weight)

    def plus(self, others: Edges) -> Edges:
        return Edges(
            np.concatenate([self.left, others.left]),
            np.concatenate([self.right, others.right]),
            np.concatenate([self.weight, others.weight]),
        )


@dataclass(frozen=True)
class Judged:
    """The judgements: the first record of each record's `group` (records judged the same), and the judged pairs."""

    group: Places
    same: Edges
    different: Edges

    def pairs_within(self, part: Places) -> Places:
        """Return the parts that hold a judged pair."""
        pairs = [part[edges.left][part[edges.left] == part[edges.right]] for edges in (self.same, self.different)]
        return np.unique(np.concatenate(pairs))


def components(count: int, edges: Edges) -> Places:
    """Return the first record of the connected component of each of `count` records.

    Each record is hooked to the first record it is linked to, then the roots of linked trees to each other, until no
    link joins two trees. Most components have two or three records and end in one round: a third of the time of SciPy's
    traversal.
    """
    first = np.arange(count)
    left, right = edges.left, edges.right
    while left.size:
        one, other = np.minimum(left, right), np.maximum(left, right)
        np.minimum.at(first, other, one)
        # one step up decides for nearly all links whether both ends are in one tree; the root decides for the others
        left, right = _apart_in(first[one], first[other])
        left, right = _apart_in(_led_on(left, first), _led_on(right, first))
    return _led_on(first, first)


def _led_on(place: Places, first: Places) -> Places:
    """Return the root of each place."""
    end = first[place]
    going = np.flatnonzero(end != place)
    while going.size:
        at = end[going]
        end[going] = first[at]
        going = going[end[going] != at]
    return end


def _apart_in(left: Places, right: Places) -> tuple[Places, Places]:
    is_open = left != right
    return left[is_open], right[is_open]


def tally(places: Places, count: int) -> Counts:
    """Count how often each of `count` places occurs, in a quarter of the memory of numpy's bincount."""
    found = np.zeros(count, dtype=np.int32)
    np.add.at(found, places, np.int32(1))
    return found


def refine(part: Places, loose: Places, weights: Edges, judged: Judged) -> Places:
    """Split each loose component into groups with a positive average weight; return the first record of each group.

    `part` is the first record of each record's component, `loose` are such first records. A pair within a loose
    component that is not among `weights` counts as unknown.
    """
    refined = part.copy()
    is_judged = np.zeros(part.size, dtype=bool)
    is_judged[judged.pairs_within(part)] = True
    for member, alike in _matrices(part, loose, weights):
        root = _group(alike)
        for row in np.flatnonzero(is_judged[part[member[:, 0]]]):
            root[row] = _group_by_judgements(alike[row], member[row], judged)
        refined[member] = np.take_along_axis(member, root, axis=1)
    return refined


def _matrices(part: Places, chosen: Places, weights: Edges) -> Iterator[tuple[Places, Floats]]:
    """Yield the chosen components, many of one size at a time: their records, and the bounded weights of their pairs.

    Shapes: count x size, count x size x size.
    """
    number = np.full(part.size, -1)
    number[chosen] = np.arange(chosen.size)
    number = number[part]
    place = np.flatnonzero(number >= 0)
    place = place[np.argsort(number[place], kind="stable")]
    sizes = np.bincount(number[place], minlength=chosen.size)
    first = np.cumsum(sizes) - sizes
    position = np.zeros(part.size, dtype=np.intp)
    position[place] = np.arange(place.size) - np.repeat(first, sizes)
    of_left = number[weights.left]
    known = weights.take((of_left >= 0) & (of_left == number[weights.right]))
    component = number[known.left]
    by_component = np.argsort(component, kind="stable")
    known, ends = known.take(by_component), np.cumsum(np.bincount(component, minlength=chosen.size))
    for size in np.unique(sizes):
        of_size = np.flatnonzero(sizes == size)
        for some in np.array_split(of_size, -(-of_size.size * size * size // _MATRIX_CELLS)):
            member = place[first[some][:, None] + np.arange(size)]
            pairs = np.diff(ends, prepend=0)[some]
            row = np.repeat(np.arange(some.size), pairs)
            own = known.take(np.repeat(ends[some] - np.cumsum(pairs), pairs) + np.arange(row.size))
            alike = np.full((some.size, size, size), UNKNOWN)
            left, right = position[own.left], position[own.right]
            alike[row, left, right] = alike[row, right, left] = np.clip(own.weight, WORST, BEST)
            yield member, alike


def _group(alike: Floats) -> Places:
    """Return the position of the first record of each record's group, in many components of one size."""
    return _merge(alike, np.ones(alike.shape[:2]), np.zeros(alike.shape, dtype=bool))


def _group_by_judgements(alike: Floats, member: Places, judged: Judged) -> Places:
    """Return the same for one component with judgements: records judged the same join the groups of both by weight.

    Where that would join two records judged different, records judged the same form one group from the start, and the
    other records join as far as weights and judgements allow.
    """
    same = np.unique(judged.group[member], return_inverse=True)[1]
    apart = _apart(same, member, judged, int(same.max()) + 1)
    by_weight = _merge_groups(alike, np.arange(member.size), apart[same][:, same])
    edges = Edges(by_weight, member.size + same, np.ones(member.size))
    joined = components(2 * member.size, edges)[by_weight]
    if (apart[same][:, same] & (joined == joined[:, None])).any():
        joined = _merge_groups(alike, same, apart)
    _, first, group = np.unique(joined, return_index=True, return_inverse=True)
    return first[group]


def _merge_groups(alike: Floats, group: Places, apart: NDArray[np.bool_]) -> Places:
    """Merge the groups of one component; return the group of each record."""
    of_group = np.zeros((apart.shape[0], group.size))
    of_group[group, np.arange(group.size)] = 1
    total, records = of_group @ alike @ of_group.T, of_group.sum(axis=1)
    merged: Places = _merge(total[None], records[None], apart[None])[0][group]
    return merged


def _merge(total: Floats, records: Floats, apart: NDArray[np.bool_]) -> Places:
    """Merge groups two by two, best average weight first, while it is positive and they are not apart.

    Merges many components with the same number of groups: `total` (component, group, group) sums the weights between
    two groups, `records` (component, group) counts their records. Returns the first group that each group was merged
    into, in the shape of `records`.
    """
    count, size = records.shape
    root = np.tile(np.arange(size), (count, 1))
    total, records, apart = total.copy(), records.copy(), apart.copy()
    going = np.arange(count)
    while going.size:
        average = total / np.maximum(records[:, :, None] * records[:, None, :], 1)
        is_gone = records == 0
        average[np.tri(size, dtype=bool) | apart | is_gone[:, :, None] | is_gone[:, None, :]] = -np.inf
        left, right = np.unravel_index(_best(average, total, records), (size, size))
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


def _best(average: Floats, total: Floats, records: Floats) -> Places:
    """Return the place of the pair of groups with the best average in each component.

    Of several it is the one whose groups differ the least in their weights to all others: so pairs are merged before
    the link that holds two pairs together.
    """
    count, size = records.shape
    value = average.reshape(count, -1)
    best: Places = value.argmax(axis=1)
    is_best = value == np.take_along_axis(value, best[:, None], axis=1)
    # among three groups, two pairs of equal average differ equally
    tied = np.flatnonzero(is_best.sum(axis=1) > 1) if size > 3 else np.empty(0, np.intp)
    for some in np.array_split(tied, 1 + tied.size * size**3 // _MATRIX_CELLS):
        by_record = total[some] / np.maximum(records[some, :, None] * records[some, None, :], 1)
        differ = np.abs(by_record[:, :, None, :] - by_record[:, None, :, :]) * records[some, None, None, :]
        own = np.arange(size)
        differ[:, own, :, own] = differ[:, :, own, own] = 0
        best[some] = np.where(is_best[some], differ.sum(axis=3).reshape(-1, size * size), np.inf).argmin(axis=1)
    return best


def _apart(group: Places, member: Places, judged: Judged, count: int) -> NDArray[np.bool_]:
    """Return which groups of a component hold records judged different from each other."""
    apart = np.zeros((count, count), dtype=bool)
    inside = np.isin(judged.different.left, member) & np.isin(judged.different.right, member)
    # `member` is sorted by place
    one = group[np.searchsorted(member, judged.different.left[inside])]
    other = group[np.searchsorted(member, judged.different.right[inside])]
    apart[one, other] = apart[other, one] = True
    return apart
