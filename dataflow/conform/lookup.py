"""Tables of normalised values: each distinct value goes through Python once, and is joined back in SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import duckdb
import pyarrow as pa

from lakehouse.table import quote

_BATCH_ROWS = 100_000


def build_lookup(
    con: duckdb.DuckDBPyConnection,
    name: str,
    *,
    distinct: str,
    gives: Sequence[tuple[str, pa.DataType]],
    function: Callable[..., Sequence[object] | None],
) -> None:
    """Make the temporary table `name`: the columns of `distinct`, its first one the key, and those of `gives`.

    `distinct` is a SELECT of the key and the arguments of `function`; a result of None gives nulls.
    """
    nothing = (None,) * len(gives)
    # Everything is read before the first row is written: one connection has one open result.
    keys: list[object] = []
    columns: list[list[object]] = [[] for _ in gives]
    for batch in con.execute(distinct).to_arrow_reader(_BATCH_ROWS):
        key, *arguments = (batch.column(number).to_pylist() for number in range(batch.num_columns))
        keys += key
        for row in zip(*arguments, strict=True):
            for column, value in zip(columns, function(*row) or nothing, strict=True):
                column.append(value)
    arrays = {"key": pa.array(keys, type=pa.string())}
    for (column_name, kind), values in zip(gives, columns, strict=True):
        arrays[column_name] = pa.array(values, type=kind)
    con.register("lookup_rows", pa.table(arrays))
    con.execute(f"CREATE OR REPLACE TEMP TABLE {quote(name)} AS SELECT * FROM lookup_rows")
    con.unregister("lookup_rows")
