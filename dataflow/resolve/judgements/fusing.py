"""Decide whether a judgement would fuse two large customers, so that a second person has to agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import duckdb
import pyarrow as pa

from dataflow.resolve.groups import Groups
from dataflow.resolve.judgements.explain import Pair
from dataflow.resolve.judgements.judgements import Standing
from dataflow.tables.published import CUSTOMER_360
from dataflow.tables.resolved import XREF


class Customers:
    """The customers of some records; customers that judgements since the last run join count as one."""

    def __init__(self, con: duckdb.DuckDBPyConnection, pairs: Iterable[Pair], standing: Sequence[Standing]) -> None:
        """Look up the customers of all records of `pairs`; `standing` are the judgements that hold already."""
        joined = [one.newest.pair for one in standing if one.joins]
        records = sorted({record for pair in (*joined, *pairs) for record in pair})
        con.register("asked_arrow", pa.table({"record_id": pa.array(records, pa.string())}))
        rows = con.execute(f"""
            WITH owner AS (SELECT record_id, customer_id FROM {XREF.sql_name} SEMI JOIN asked_arrow USING (record_id))
            SELECT record_id, customer_id, record_count FROM owner JOIN {CUSTOMER_360.sql_name} USING (customer_id)
        """).fetchall()
        con.unregister("asked_arrow")
        self._customer_of = {str(record): str(customer) for record, customer, _ in rows}
        self._size_of = {str(customer): int(size) for _, customer, size in rows}
        self._groups = Groups()
        for pair in joined:
            self.join(pair)

    def join(self, pair: Pair) -> None:
        """Count the customers of both records as one."""
        left, right = (self._customer_of.get(record) for record in pair)
        if left is not None and right is not None:
            self._groups.join(left, right)

    def would_fuse(self, pair: Pair, *, large: int) -> bool:
        """Return whether a `same` would fuse two customers of at least `large` records each."""
        left, right = (self._customer_of.get(record) for record in pair)
        if left is None or right is None or self._groups.are_one(left, right):
            return False
        sizes = (sum(self._size_of[customer] for customer in self._groups.members(one)) for one in (left, right))
        return min(sizes) >= large
