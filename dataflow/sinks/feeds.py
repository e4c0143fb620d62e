"""Choose how a copy follows the lake: table by table from the change feed, or whole."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from dataflow.access.lake import lake_location
from dataflow.settings import Settings
from lakehouse import SnapshotNotFound, open_reader
from lakehouse.attach import metadata_of
from lakehouse.feed import changes_sql
from lakehouse.query import fetch_int
from lakehouse.table import Table

# Writing the whole file is as fast as changing a third of its rows (measured).
_SHARE_TO_REPLACE = 0.5
"""Share of the rows; an updated row counts twice in the feed."""
_ROWS_TO_REPLACE = 50_000


def choose_feeds(
    con: duckdb.DuckDBPyConnection, tables: Sequence[Table], settings: Settings, *, after: int | None, upto: int
) -> dict[Table, str | None]:
    """Return the change feed of each table since `after`; None: write the table whole."""
    metadata = metadata_of(lake_location(settings))
    feeds = {table: _feed(con, table, metadata=metadata, after=after, upto=upto) for table in tables}
    changes = {table: fetch_int(con, f"SELECT count(*) FROM ({feed})") for table, feed in feeds.items() if feed}
    rows = sum(fetch_int(con, f"SELECT count(*) FROM {table.in_lake}") for table in feeds)
    is_much = sum(changes.values()) > max(rows * _SHARE_TO_REPLACE, _ROWS_TO_REPLACE)
    return dict.fromkeys(feeds) if is_much else feeds


def open_lake_reader(settings: Settings, *, at: int | None = None) -> duckdb.DuckDBPyConnection:
    """Open the lake for a sink, at a snapshot. Raises: LakeUnreachable, SnapshotNotFound."""
    lake = settings.lake
    return open_reader(lake_location(settings), at=at, memory_limit=lake.memory_limit, threads=lake.threads or None)


def _feed(con: duckdb.DuckDBPyConnection, table: Table, *, metadata: str, after: int | None, upto: int) -> str | None:
    """Return the table's changes since the file's number; None when the table has to be written whole."""
    if after is None:
        return None
    try:
        return changes_sql(con, table, metadata=metadata, after=after, upto=upto)
    except SnapshotNotFound:
        return None
