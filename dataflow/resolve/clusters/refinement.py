"""Refine components: separate what one false edge has joined, many components of one size at a time.

Groups of records are merged two by two, best average weight first, while that average is positive; among equal ones the
two groups first whose weights to all others differ the least. Groups with records that contradict each other are not
merged, and a group that could as well join either of two such groups joins neither. Judgements outrank both.
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
Bools = NDArray[np.bool_]

BEST = 10.0
"""Weights are bounded here and at WORST, so that one pair of records does not outvote many others."""
WORST = -6.0
UNKNOWN = -4.0
"""The weight of a pair without an edge: no key brought it together, or it scored below the review threshold. It is low
enough that one link of the best weight does not join two pairs that have no other edge."""
AS_WELL = 1.0
"""Two groups are as likely to be the one that a third belongs to where its weights to them differ by less."""
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


@dataclass(frozen=True)
class Contradictions:
    """Pairs of records that contradict each other: those without an edge, and those that an edge excuses."""

    barred: Edges
    excused: Edges

    @classmethod
    def none(cls) -> Contradictions:
        return cls(Edges.none(), Edges.none())


def refine(part: Places, loose: Places, weights: Edges, judged: Judged, contradictions: Contradictions) -> Places:
    """Split each loose component into groups with a positive average weight; return the first record of each group.

    `part` is the first record of each record's component, `loose` are such first records. A pair within a loose
    component that is not among `weights` counts as unknown.
    """
    refined = part.copy()
    is_judged = np.zeros(part.size, dtype=bool)
    is_judged[judged.pairs_within(part)] = True
    for member, alike, contradict in _matrices(part, loose, weights, contradictions):
        root = _merge(alike, np.ones(alike.shape[:2]), np.zeros(alike.shape, dtype=bool), contradict)
        for row in np.flatnonzero(is_judged[part[member[:, 0]]]):
            root[row] = _group_by_judgements(alike[row], contradict[:, row], member[row], judged)
        refined[member] = np.take_along_axis(member, root, axis=1)
    return refined


def _matrices(
    part: Places, chosen: Places, weights: Edges, contradictions: Contradictions
) -> Iterator[tuple[Places, Floats, Bools]]:
    """Yield the chosen components, many of one size at a time.

    Of each: its records, the bounded weights of its pairs, and which pairs contradict without and with an edge.

    Shapes: count x size, count x size x size, 2 x count x size x size.
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
    known = _Within.of(weights, number, chosen.size)
    contradicting = [
        _Within.of(pairs, number, chosen.size) for pairs in (contradictions.barred, contradictions.excused)
    ]
    for size in np.unique(sizes):
        of_size = np.flatnonzero(sizes == size)
        for some in np.array_split(of_size, -(-of_size.size * size * size // _MATRIX_CELLS)):
            member = place[first[some][:, None] + np.arange(size)]
            alike = np.full((some.size, size, size), UNKNOWN)
            row, own = known.of_components(some)
            left, right = position[own.left], position[own.right]
            alike[row, left, right] = alike[row, right, left] = np.clip(own.weight, WORST, BEST)
            contradict = np.zeros((2, *alike.shape), dtype=bool)
            for kind, pairs in enumerate(contradicting):
                row, own = pairs.of_components(some)
                left, right = position[own.left], position[own.right]
                contradict[kind, row, left, right] = contradict[kind, row, right, left] = True
            yield member, alike, contradict


@dataclass(frozen=True)
class _Within:
    """Edges within numbered components, ordered by component; `ends` is the end of each component's edges."""

    edges: Edges
    ends: Places

    @classmethod
    def of(cls, edges: Edges, number: Places, count: int) -> _Within:
        """`number` is the component of each place, -1 for none of these."""
        of_left = number[edges.left]
        known = edges.take((of_left >= 0) & (of_left == number[edges.right]))
        component = number[known.left]
        by_component = np.argsort(component, kind="stable")
        return cls(known.take(by_component), np.cumsum(np.bincount(component, minlength=count)))

    def of_components(self, some: Places) -> tuple[Places, Edges]:
        """Return the edges of these components, each with the position of its component among them."""
        pairs = np.diff(self.ends, prepend=0)[some]
        row = np.repeat(np.arange(some.size), pairs)
        return row, self.edges.take(np.repeat(self.ends[some] - np.cumsum(pairs), pairs) + np.arange(row.size))


def _group_by_judgements(alike: Floats, contradict: Bools, member: Places, judged: Judged) -> Places:
    """Return the same for one component with judgements: records judged the same join the groups of both by weight.

    Where that would join two records judged different, records judged the same form one group from the start, and the
    other records join as far as weights and judgements allow.
    """
    same = np.unique(judged.group[member], return_inverse=True)[1]
    apart = _apart(same, member, judged, int(same.max()) + 1)
    is_apart = apart[same][:, same]
    by_weight = _merge_groups(alike, np.arange(member.size), is_apart, contradict)
    edges = Edges(by_weight, member.size + same, np.ones(member.size))
    joined = components(2 * member.size, edges)[by_weight]
    if (is_apart & (joined == joined[:, None])).any():
        joined = _merge_groups(alike, same, apart, contradict)
    _, first, group = np.unique(joined, return_index=True, return_inverse=True)
    return first[group]


def _merge_groups(alike: Floats, group: Places, apart: Bools, contradict: Bools) -> Places:
    """Merge the groups of one component; return the group of each record."""
    of_group = np.zeros((apart.shape[0], group.size))
    of_group[group, np.arange(group.size)] = 1
    total, records = of_group @ alike @ of_group.T, of_group.sum(axis=1)
    between = of_group @ contradict @ of_group.T > 0
    merged: Places = _merge(total[None], records[None], apart[None], between[:, None])[0][group]
    return merged


def _merge(total: Floats, records: Floats, apart: Bools, contradict: Bools) -> Places:
    """Merge groups two by two, best average weight first, while it is positive and they are not apart.

    Merges many components with the same number of groups: `total` (component, group, group) sums the weights between
    two groups, `records` (component, group) counts their records, `contradict` (2, component, group, group) says which
    hold records that contradict each other without and with an edge. Groups that contradict each other only without an
    edge are not merged; where one of two could as well join a group that contradicts the other, they wait until one of
    them grows. Returns the first group that each group was merged into, in the shape of `records`.
    """
    count, size = records.shape
    root = np.tile(np.arange(size), (count, 1))
    total, records, apart, contradict = total.copy(), records.copy(), apart.copy(), contradict.copy()
    waits = np.zeros_like(apart)
    going = np.arange(count)
    while going.size:
        average = total / np.maximum(records[:, :, None] * records[:, None, :], 1)
        is_gone = records == 0
        barred = contradict[0] & ~contradict[1]
        closed = apart | barred | waits | is_gone[:, :, None] | is_gone[:, None, :]
        average[np.tri(size, dtype=bool) | closed] = -np.inf
        left, right = np.unravel_index(_best(average, total, records), (size, size))
        best = average[np.arange(going.size), left, right]
        goes_on = best >= 0
        going, left, right, best = going[goes_on], left[goes_on], right[goes_on], best[goes_on]
        total, records, apart, waits = total[goes_on], records[goes_on], apart[goes_on], waits[goes_on]
        contradict = contradict[:, goes_on]
        row = np.arange(going.size)
        undecided = _undecided(total, records, barred[goes_on], left, right, best)
        waits[row[undecided], left[undecided], right[undecided]] = True
        row, left, right = row[~undecided], left[~undecided], right[~undecided]
        waits[row, left] = waits[row, :, left] = False
        for sums in (total, apart, *contradict):
            sums[row, left] += sums[row, right]
            sums[row, :, left] += sums[row, :, right]
        records[row, left] += records[row, right]
        records[row, right] = 0
        merged = root[going[row]]
        root[going[row]] = np.where(merged == right[:, None], left[:, None], merged)
    return root


def _undecided(total: Floats, records: Floats, barred: Bools, left: Places, right: Places, best: Floats) -> Bools:
    """Return in which components one of the groups to merge could as well join a group that contradicts the other."""
    found = np.zeros(left.size, dtype=bool)
    some = np.flatnonzero(barred.any(axis=(1, 2)))
    for one, other in ((left[some], right[some]), (right[some], left[some])):
        average = total[some, other] / np.maximum(records[some, other][:, None] * records[some], 1)
        is_likely = (average >= best[some][:, None] - AS_WELL) & (average >= 0) & (records[some] > 0)
        found[some] |= (barred[some, one] & is_likely).any(axis=1)
    return found


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
