"""What `dataflow warehouse plan` says of a DuckDB file: its publication, and its tables beside the lake's."""

from __future__ import annotations

from pathlib import Path

import duckdb

from dataflow.errors import SinkError
from dataflow.sinks.draft import DRAFT
from dataflow.sinks.fingerprints import fingerprint
from dataflow.sinks.protocol import Records, Shown
from dataflow.tables import published
from lakehouse.query import fetch_int
from lakehouse.table import Table, literal


def plan_of_file(
    con: duckdb.DuckDBPyConnection, path: Path, shown: Shown | None, *, newest: int, is_deep: bool
) -> dict[str, Records]:
    """Return the parts of the plan, with the lake on the connection. A file has no rights of its own to compare.

    Raises: SinkError where rows are to be compared and the file shows another publication than the lake.
    """
    check_comparable(shown, newest=newest) if is_deep else None
    publication = {"warehouse": str(path), "publication": shown.publication if shown else None, "newest": newest}
    tables: Records = []
    if shown is not None:
        con.execute(f"ATTACH {literal(str(path))} AS {DRAFT} (READ_ONLY)")
        try:
            tables = [_table(con, table, is_deep=is_deep) for table in published.TABLES]
        finally:
            con.execute(f"DETACH {DRAFT}")
    return {"publication": [publication], "tables": tables, "access": []}


def check_comparable(shown: Shown | None, *, newest: int) -> None:
    """Raise SinkError unless a copy shows the newest publication: rows of different ones are not compared."""
    if shown is None or shown.publication != newest:
        raise SinkError(
            f"The warehouse shows publication {shown.publication if shown else 'nothing'}, the lake {newest}: rows of "
            "different publications are not compared.",
            next_move="`dataflow run` brings it to the publication.",
        )


def _table(con: duckdb.DuckDBPyConnection, table: Table, *, is_deep: bool) -> dict[str, object]:
    here = f"{DRAFT}.{table.sql_name}"
    try:
        rows = fetch_int(con, f"SELECT count(*) FROM {here}")
        equal = fingerprint(con, table, here) == fingerprint(con, table, table.in_lake) if is_deep else None
        state = "present"
    except (duckdb.CatalogException, duckdb.BinderException):
        rows, equal, state = None, False if is_deep else None, "of another version"
    lake = fetch_int(con, f"SELECT count(*) FROM {table.in_lake}")
    return {
        "table": table.name,
        "state": state,
        "rows": rows,
        "lake_rows": lake,
        "is_equal": equal,
        "update_bytes": None,
        "update_dollars": None,
    }
