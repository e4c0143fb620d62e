"""Give each record to cluster a place: its position in the order of numbers, which is the same in every run.

Edges name records by their ids. Looking up the places of sixteen million ids in sorted numbers takes less time than a
join of texts, and sorts no texts.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import duckdb
import numpy as np
import pyarrow as pa

from dataflow.resolve.clusters.refinement import Edges
from dataflow.resolve.pairs.numbers import number_of
from dataflow.resolve.pairs.order import Numbers, Places, in_order, is_first

_ATTEMPTS = 8
"""Numberings to try: ten million records hold two of one number once in some hundred thousand cases."""


class Register:
    """The records of a relation, each with its own number. Raises: ValueError where a record occurs twice."""

    def __init__(self, con: duckdb.DuckDBPyConnection, records: str) -> None:
        self._con = con
        for self._attempt in range(_ATTEMPTS):
            found = con.execute(f"SELECT record_id, {self._number('record_id')} AS number FROM {records}")
            table = found.to_arrow_table()
            self._order, self._sorted = in_order(table["number"].to_numpy())
            if is_first(self._sorted).all():
                break
        else:
            raise ValueError(f"Clustering: a record of {records} occurs twice.")
        self.names: pa.ChunkedArray = table["record_id"]
        """The record ids, in the order of the relation."""
        # where the numbers of each prefix begin
        self._shift = np.uint64(64 - max(1, len(self).bit_length()))
        begin = np.bincount((self._sorted >> self._shift).view(np.intp), minlength=1 << (64 - int(self._shift)))
        self._first = np.cumsum(begin) - begin

    def _number(self, record_id: str) -> str:
        return number_of(record_id, self._attempt)

    def __len__(self) -> int:
        return int(self._order.size)

    @property
    def place(self) -> Places:
        """The place of each name."""
        place = np.empty_like(self._order)
        place[self._order] = np.arange(len(self))
        return place

    def ids(self, places: Places) -> pa.ChunkedArray:
        """Return the record ids of places."""
        return self.names.take(pa.array(self._order[places]))

    def edges(self, edges: str) -> Edges:
        """Return the edges (record_id_l, record_id_r, match_weight) of a relation whose records are registered."""
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
        """Return the places of numbers; -1 for a number without a record."""
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
