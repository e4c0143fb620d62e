"""The local warehouse: a DuckDB file with the published tables and views of one snapshot.

A draft is brought to the snapshot beside the file and renamed over it, so a reader sees one snapshot or the next,
never waits, and a kill at any point leaves the file as it was. The draft starts as a copy of the file, so that an
increment writes only the rows that changed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import duckdb

from dataflow.access.lake import lake_location
from dataflow.errors import SinkError
from dataflow.publish.commit import Publication
from dataflow.settings import Settings
from dataflow.sinks.views import VIEWS
from dataflow.tables import published
from dataflow.workspace.relations import sql_of
from dataflow.workspace.report import StepReport, measured, resident_bytes
from lakehouse import SnapshotNotFound, open_reader
from lakehouse.attach import metadata_of
from lakehouse.connect import connect, spread_small_tables
from lakehouse.feed import changes_sql
from lakehouse.query import fetch_int
from lakehouse.table import Table, column_list, create_table_sql, literal, quote

_DRAFT = "warehouse"

# Writing all of it anew was measured to be as fast as changing a third of the rows.
_SHARE_TO_REPLACE = 0.5
"""Of the rows; a row that was updated counts twice in the feed."""
_ROWS_TO_REPLACE = 50_000


def sink_warehouse(settings: Settings, publication: Publication) -> StepReport:
    """Bring the warehouse file to the publication's snapshot; what it already shows is not written again.

    Snapshots that left the published tables alone (landings, runs on record) leave the file and its number alone.
    Raises: SinkError when the file cannot be written or does not hold what the lake holds.
    """
    target = Path(settings.warehouse.path)
    with measured() as watch:
        has = warehouse_snapshot(target)
        changed = 0 if has == publication.snapshot.id else _follow(settings, publication, target, has)
        return StepReport(
            stage="sink",
            subject="warehouse",
            rows_in=changed,
            rows_out=changed,
            seconds=watch.seconds,
            peak_rss_bytes=resident_bytes(),
            facts={"snapshot": publication.snapshot.id, "was_at_snapshot": has},
        )


def warehouse_snapshot(path: Path) -> int | None:
    """The lake snapshot that a warehouse file shows; None when there is none, or none that can be read."""
    if not path.exists():
        return None
    with suppress(duckdb.Error):
        con = connect(path, read_only=True)
        try:
            row = con.execute("SELECT snapshot_id FROM _publication").fetchone()
            return int(row[0]) if row else None
        finally:
            con.close()
    return None


def _follow(settings: Settings, publication: Publication, target: Path, has: int | None) -> int:
    """Replace the file by one that shows the publication, unless it would say the same; returns rows written."""
    location = lake_location(settings)
    snapshot = publication.snapshot.id
    con = open_reader(
        location,
        at=snapshot,
        memory_limit=settings.lake.memory_limit,
        threads=settings.lake.threads or None,
    )
    spread_small_tables(con)
    try:
        feeds = {
            table: _feed(con, table, metadata=metadata_of(location), after=has, upto=snapshot)
            for table in published.TABLES
        }
        changes = {table: fetch_int(con, f"SELECT count(*) FROM ({feed})") for table, feed in feeds.items() if feed}
        if len(changes) == len(feeds) and not any(changes.values()):
            return 0
        rows = sum(fetch_int(con, f"SELECT count(*) FROM {table.in_lake}") for table in feeds)
        is_much = sum(changes.values()) > max(rows * _SHARE_TO_REPLACE, _ROWS_TO_REPLACE)
        if is_much or (has is not None and not _has_columns(con, target)):
            feeds = dict.fromkeys(feeds)
        return _replace(con, feeds, publication, target, copy=any(feeds.values()))
    finally:
        con.close()


def _has_columns(con: duckdb.DuckDBPyConnection, warehouse: Path) -> bool:
    """Whether the file's tables have the columns that are declared now; one that was declared since is in no change."""
    con.execute(f"ATTACH {literal(str(warehouse))} AS {_DRAFT} (READ_ONLY)")
    try:
        return all(
            con.execute(f"SELECT column_name FROM (DESCRIBE {_DRAFT}.{table.sql_name})").fetchall()
            == [(name,) for name in table.column_names]
            for table in published.TABLES
        )
    except duckdb.CatalogException:
        return False
    finally:
        con.execute(f"DETACH {_DRAFT}")


def _replace(
    con: duckdb.DuckDBPyConnection,
    feeds: Mapping[Table, str | None],
    publication: Publication,
    target: Path,
    *,
    copy: bool,
) -> int:
    draft = target.with_name(f"{target.name}.{os.getpid()}.draft")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for left_behind in target.parent.glob(f"{target.name}.*.draft*"):
            left_behind.unlink()
        if copy:
            shutil.copyfile(target, draft)
        written = _write_draft(con, feeds, publication, draft)
        _sync(draft)
        draft.replace(target)
        _sync(target.parent)
    except (OSError, duckdb.IOException) as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise SinkError(
            f"Writing snapshot {publication.snapshot.id} to the warehouse {target}: {type(error).__name__}.",
            next_move="Check space and permissions there and run again; the warehouse is as it was.",
        ) from error
    return written


def _write_draft(
    con: duckdb.DuckDBPyConnection, feeds: Mapping[Table, str | None], publication: Publication, draft: Path
) -> int:
    """Write tables, views and the snapshot's number in one transaction; returns rows written."""
    snapshot = publication.snapshot.id
    con.execute(f"ATTACH {literal(str(draft))} AS {_DRAFT}")
    con.execute("BEGIN")
    written = sum(
        _write_whole(con, table) if feed is None else _write_changes(con, table, feed) for table, feed in feeds.items()
    )
    _write_views(con)
    con.execute(f"CREATE OR REPLACE TABLE {_DRAFT}._publication (snapshot_id BIGINT, run_id VARCHAR)")
    con.execute(f"INSERT INTO {_DRAFT}._publication VALUES ({snapshot}, {literal(publication.run_id)})")
    _compare(con, snapshot)
    con.execute("COMMIT")
    con.execute(f"DETACH {_DRAFT}")
    return written


def _feed(con: duckdb.DuckDBPyConnection, table: Table, *, metadata: str, after: int | None, upto: int) -> str | None:
    """The table's changes since the warehouse's snapshot; None where only the whole table leads there."""
    if after is None or after > upto:
        return None
    try:
        return changes_sql(con, table, metadata=metadata, after=after, upto=upto)
    except SnapshotNotFound:
        return None


def _write_whole(con: duckdb.DuckDBPyConnection, table: Table) -> int:
    target, columns = f"{_DRAFT}.{table.sql_name}", column_list(table.column_names)
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {_DRAFT}.{quote(table.schema)}")
    con.execute(f"DROP TABLE IF EXISTS {target}")
    con.execute(create_table_sql(table, database=_DRAFT))
    con.execute(f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {table.in_lake}")
    return fetch_int(con, f"SELECT count(*) FROM {target}")


def _write_changes(con: duckdb.DuckDBPyConnection, table: Table, feed: str) -> int:
    target, columns, keys = f"{_DRAFT}.{table.sql_name}", column_list(table.column_names), column_list(table.key)
    con.execute(f"CREATE OR REPLACE TEMP TABLE touched_keys AS SELECT DISTINCT {keys} FROM ({feed})")
    touched = fetch_int(con, "SELECT count(*) FROM touched_keys")
    if touched:
        on = " AND ".join(f"t.{quote(key)} = k.{quote(key)}" for key in table.key)
        con.execute(f"DELETE FROM {target} t USING touched_keys k WHERE {on}")
        con.execute(
            f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {table.in_lake} t"
            f" WHERE EXISTS (SELECT 1 FROM touched_keys k WHERE {on})"
        )
    return touched


def _write_views(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(f"USE {_DRAFT}")
    for view in VIEWS:
        con.execute(f"CREATE OR REPLACE VIEW published.{quote(view.name)} AS {sql_of(view.rows())}")
        con.execute(f"COMMENT ON VIEW published.{quote(view.name)} IS {literal(view.description)}")
    con.execute("USE memory")


def _compare(con: duckdb.DuckDBPyConnection, snapshot: int) -> None:
    """Raise SinkError unless every table has as many rows as the lake."""
    counts = [
        (
            table.full_name,
            fetch_int(con, f"SELECT count(*) FROM {table.in_lake}"),
            fetch_int(con, f"SELECT count(*) FROM {_DRAFT}.{table.sql_name}"),
        )
        for table in published.TABLES
    ]
    differing = [f"{name}: {lake} in the lake, {here} here" for name, lake, here in counts if lake != here]
    if differing:
        raise SinkError(
            f"The warehouse would not show snapshot {snapshot}: {'; '.join(differing)}.",
            next_move="The warehouse is as it was. Delete its file and run again to build it anew.",
        )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
