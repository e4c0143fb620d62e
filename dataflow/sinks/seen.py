"""The rows of a table as a role sees them, in the SQL of the lake: the same for role marts and for BigQuery."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb

from dataflow.access.conditions import condition_sql
from dataflow.access.mask_keys import pads
from dataflow.access.masks import CLEAR, INNER_PAD, MASKS, OUTER_PAD
from dataflow.access.roles import RoleTable
from dataflow.errors import SinkError
from lakehouse.table import quote

SOURCE = "s"
"""The alias of the rows in the lake."""


def seen_sql(seen: RoleTable) -> str:
    """Return the SELECT of a table as the role sees it, over the alias `s` of its rows."""
    chosen = ", ".join(
        f"{treated_sql(seen, name)} AS {quote(name)}" for name in seen.table.column_names if name in seen.treatments
    )
    return f"SELECT {chosen} FROM {rows_sql(seen)} {SOURCE}"


def rows_sql(seen: RoleTable) -> str:
    """Return the rows of the lake that the role sees. The condition is about them as they are, not as they are seen."""
    if not seen.where:
        return seen.table.in_lake
    return f"(SELECT * FROM {seen.table.in_lake} WHERE {condition_sql(seen.where)})"


def treated_sql(seen: RoleTable, name: str, *, source: str = SOURCE) -> str:
    value, treatment = f"{source}.{quote(name)}", seen.treatments[name]
    return value if treatment == CLEAR else MASKS[treatment].sql(value, seen.table.column(name))


@contextmanager
def key_in_variables(con: duckdb.DuckDBPyConnection, key: bytes) -> Iterator[None]:
    """Set the key of the masks for the block."""
    inner, outer = pads(key)
    try:
        for name, pad in ((INNER_PAD, inner), (OUTER_PAD, outer)):
            con.execute(f"SET VARIABLE {name} = unhex('{pad.hex()}')")
    except duckdb.Error as error:
        # DuckDB's message quotes the statement, which holds the key.
        raise SinkError(f"The key of the masks cannot be set: unexpected {type(error).__name__}.") from None
    try:
        yield
    finally:
        with suppress(duckdb.Error):
            con.execute(f"RESET VARIABLE {INNER_PAD}")
            con.execute(f"RESET VARIABLE {OUTER_PAD}")
