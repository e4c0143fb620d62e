"""Sort large arrays of numbers together with their places."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.uint64]
Places = NDArray[np.intp]
"""Indices of the width that numpy's indexing takes without a copy."""


def in_order(numbers: Numbers) -> tuple[Places, Numbers]:
    """Return the stable sorting order of numbers, and the sorted numbers.

    The high bits are sorted with the places packed into the low bits, which is faster than an argsort; numbers with
    equal high bits are sorted afterwards.
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
    """Return which of the sorted numbers are the first of their value."""
    first = np.ones(ordered.size, dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return first
