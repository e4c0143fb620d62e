"""Reading a few rows of a large table: their keys are written into the statement.

DuckDB hands a single key of a join down to the scan, where the other columns are then left alone but for its row. Of
two keys and more it hands down their range, or a list that serves to skip pieces of a file, and reads all else whole:
of records in no order, seven times the work (DuckDB 1.5.5, November 2026). A list in `list_contains` goes down whole,
and one in IN beside it skips the pieces of a sorted table: a tenth of the time again.
"""

from __future__ import annotations

import duckdb

from lakehouse.table import literal, quote

# each row is compared with each of them: a hundred cost a third of what reading all columns does
FEW = 100
NO_ROW = "false"


def if_few(con: duckdb.DuckDBPyConnection, keys: str, column: str, *, kind: str = "VARCHAR") -> str:
    """SQL condition that `column` is among those of the relation `keys`, where they are few.

    It only spares work: the statement must choose its rows by itself. Where there are many keys it is `true`, and where
    there is none `NO_ROW`, so that nothing is read. `kind` is the type of the column, which is called so in `keys`.
    """
    found = con.execute(f"SELECT DISTINCT {quote(column)}::VARCHAR FROM {keys} LIMIT {FEW + 1}").fetchall()
    if len(found) > FEW:
        return "true"
    listed = ", ".join(f"{literal(key)}::{kind}" for (key,) in found if key is not None)
    return f"{quote(column)} IN ({listed}) AND list_contains([{listed}], {quote(column)})" if listed else NO_ROW
