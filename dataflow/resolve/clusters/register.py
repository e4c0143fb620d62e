"""The records that are clustered, each at a place: the order of their numbers, which is the same whenever they come.

Edges name records by their ids; sixteen million of these are led to their places by sorted numbers, in less time than a
join of texts takes, and without having to sort texts.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import duckdb
import numpy as np
import pyarrow as pa

from dataflow.resolve.clusters.refinement import Edges
from dataflow.resolve.pairs.numbers import number_of
from dataflow.resolve.pairs.order import Numbers, Places, in_order, is_first

# of ten million records two share a number once in a few hundred thousand times: then they are numbered anew
_ATTEMPTS = 8


class Register:
    """The records of a relation, of which no two share a number. Raises: ValueError where a record is there twice."""

    def __init__(self, con: duckdb.DuckDBPyConnection, records: str) -> None:
        self._con = con
        for self._attempt in range(_ATTEMPTS):
            found = con.execute(f"SELECT record_id, {self._number('record_id')} AS number FROM {records}")
            table = found.to_arrow_table()
            self._order, self._sorted = in_order(table["number"].to_numpy())
            if is_first(self._sorted).all():
                break
        else:
            raise ValueError(f"A record of {records} is there twice.")
        self.names: pa.ChunkedArray = table["record_id"]
        """The record ids, in the order in which they came."""
        # where the numbers that begin alike stand
        self._shift = np.uint64(64 - max(1, len(self).bit_length()))
        begin = np.bincount((self._sorted >> self._shift).view(np.intp), minlength=1 << (64 - int(self._shift)))
        self._first = np.cumsum(begin) - begin

    def _number(self, record_id: str) -> str:
        return number_of(record_id, self._attempt)

    def __len__(self) -> int:
        return int(self._order.size)

    @property
    def place(self) -> Places:
        """The place of each of the names."""
        place = np.empty_like(self._order)
        place[self._order] = np.arange(len(self))
        return place

    def edges(self, edges: str) -> Edges:
        """The edges (record_id_l, record_id_r, match_weight) of a relation, those with another record left out."""
        rows = self._con.execute(f"""
            SELECT {self._number("record_id_l")} AS l, {self._number("record_id_r")} AS r, match_weight::DOUBLE AS w
            FROM {edges}
        """).to_arrow_table()
        with ThreadPoolExecutor(2) as both:
            left, right = both.map(self._places_of, (rows[side].to_numpy() for side in "lr"))
        found = Edges(left, right, rows["w"].to_numpy())
        is_inside = (left >= 0) & (right >= 0)
        return found if is_inside.all() else found.take(is_inside)

    def _places_of(self, numbers: Numbers) -> Places:
        """The places of some numbers; -1 where there is no such record."""
        if not len(self):
            return np.full(numbers.size, -1)
        place = self._first[(numbers >> self._shift).view(np.intp)]
        last = len(self) - 1
        np.minimum(place, last, out=place)
        behind = np.flatnonzero((self._sorted[place] < numbers) & (place < last))
        while behind.size:
            place[behind] += 1
            at = place[behind]
            behind = behind[(self._sorted[at] < numbers[behind]) & (at < last)]
        place[self._sorted[place] != numbers] = -1
        return place
