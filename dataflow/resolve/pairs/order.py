"""Many numbers put in order, and what they number with them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.uint64]
# of the width that numpy's indexing takes: of others it makes copies
Places = NDArray[np.intp]


def in_order(numbers: Numbers) -> tuple[Places, Numbers]:
    """The order of some numbers, and they in it; equal ones stay as they stood.

    Their high bits are sorted with their places in the low ones, sooner than by an argsort; the few numbers whose high
    bits are the same are put in order afterwards.
    """
    low = np.uint64(numbers.size.bit_length())
    own = np.uint64((1 << int(low)) - 1)
    packed = numbers >> low
    packed <<= low
    packed |= np.arange(numbers.size, dtype=np.uint64)
    packed.sort()
    order = (packed & own).view(np.intp)
    ordered = numbers[order]
    late = np.unique(packed[1:][ordered[1:] < ordered[:-1]] | own)
    begin, end = np.searchsorted(packed, late - own), np.searchsorted(packed, late, side="right")
    for alike in map(slice, begin, end):
        among = np.argsort(ordered[alike], kind="stable")
        order[alike], ordered[alike] = order[alike][among], ordered[alike][among]
    return order, ordered


def is_first(ordered: Numbers) -> NDArray[np.bool_]:
    """Of numbers in order, which is the first of several that are equal."""
    first = np.ones(ordered.size, dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return first
