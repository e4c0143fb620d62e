"""Read a small number of rows of a large table: write their keys into the statement.

For a single join key DuckDB pushes the key down to the scan and reads the other columns of its row only. For two or
more keys it pushes down their range, or a list that skips row groups, and reads all other columns whole: seven times
the time for records in random order (DuckDB 1.5.5, November 2026). A list in `list_contains` is pushed down whole; the
same list in IN beside it skips row groups of a sorted table, which takes a tenth of that time.
"""

from __future__ import annotations

import duckdb

from lakehouse.table import literal, quote

# Each row is compared with each key: 100 keys cost a third of reading all columns.
MAX_PUSHDOWN_KEYS = 100
NO_ROW = "false"


def pushdown_condition(con: duckdb.DuckDBPyConnection, keys: str, column: str, *, kind: str = "VARCHAR") -> str:
    """Return the SQL condition that `column` is among the relation `keys`, where it has at most MAX_PUSHDOWN_KEYS keys.

    It only saves time: the statement must select its rows without it. With more keys it is `true`; without any it is
    `NO_ROW`, so that no row is read. `kind` is the type of the column, which has the same name in `keys`.
    """
    found = con.execute(
        f"SELECT DISTINCT {quote(column)}::VARCHAR FROM {keys} LIMIT {MAX_PUSHDOWN_KEYS + 1}"
    ).fetchall()
    if len(found) > MAX_PUSHDOWN_KEYS:
        return "true"
    listed = ", ".join(f"{literal(key)}::{kind}" for (key,) in found if key is not None)
    return f"{quote(column)} IN ({listed}) AND list_contains([{listed}], {quote(column)})" if listed else NO_ROW
