"""Build tables of normalised values: each distinct value passes Python once and is joined back in SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from lakehouse.query import fetch_int
from lakehouse.table import quote

_BATCH_ROWS = 100_000


def build_lookup(
    con: duckdb.DuckDBPyConnection,
    name: str,
    *,
    distinct: str,
    gives: Sequence[tuple[str, str]],
    apply: Callable[[Sequence[tuple[Any, ...]]], Sequence[Sequence[object] | None]],
) -> None:
    """Create the temporary table `name`: the key, which is the first column of `distinct`, and the columns of `gives`.

    `distinct` is a SELECT of the key and the arguments of `apply`, which gets rows of arguments; None gives nulls.
    `gives` names columns with their types, VARCHAR or BOOLEAN.
    """
    # Read in batches from a table of their own: the values of a large day do not fit into the memory of Python.
    con.execute(f"CREATE OR REPLACE TEMP TABLE distinct_values AS {distinct}")
    columns = ", ".join(f"{quote(column)} {kind}" for column, kind in gives)
    con.execute(f"CREATE OR REPLACE TEMP TABLE {quote(name)} (key VARCHAR, {columns})")
    for start in range(0, fetch_int(con, "SELECT count(*) FROM distinct_values"), _BATCH_ROWS):
        values = con.execute(
            f"SELECT * FROM distinct_values WHERE rowid >= {start} AND rowid < {start + _BATCH_ROWS}"
        ).to_arrow_table()
        con.register("lookup_rows", _computed(values, gives, apply))
        con.execute(f"INSERT INTO {quote(name)} BY NAME SELECT * FROM lookup_rows")
        con.unregister("lookup_rows")
    con.execute("DROP TABLE distinct_values")


def _computed(
    values: pa.Table,
    gives: Sequence[tuple[str, str]],
    apply: Callable[[Sequence[tuple[Any, ...]]], Sequence[Sequence[object] | None]],
) -> pa.Table:
    nothing = (None,) * len(gives)
    arguments = [column.to_pylist() for column in values.columns[1:]]
    found = [row or nothing for row in apply(list(zip(*arguments, strict=True)))]
    types = {"VARCHAR": pa.string(), "BOOLEAN": pa.bool_()}
    columns = {
        column: pa.array([row[number] for row in found], type=types[kind])
        for number, (column, kind) in enumerate(gives)
    }
    return pa.table({"key": values.column(0), **columns})
