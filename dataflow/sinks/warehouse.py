"""The local warehouse: a DuckDB file with the published tables and views of one publication.

A draft is written beside the file and renamed over it: a reader sees one publication or the next and never waits, and a
kill at any point leaves the file unchanged. The draft starts as a copy of the file, so that an increment writes only
the changed rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb

from dataflow.access.lake import lake_location
from dataflow.errors import SinkError, SinkTimeout
from dataflow.publish.commit import Publication
from dataflow.settings import Settings
from dataflow.sinks.draft import DRAFT, replace_file, write_without
from dataflow.sinks.protocol import Shown, refuse_stranger
from dataflow.sources.protocol import Finding
from dataflow.tables import published
from dataflow.tables.subject import Subject
from dataflow.workspace.report import StepReport, measured, resident_bytes
from lakehouse import LakeView, SnapshotNotFound, open_reader
from lakehouse.attach import metadata_of
from lakehouse.connect import connect, interrupted_after, spread_small_tables
from lakehouse.feed import changes_sql
from lakehouse.query import fetch_int
from lakehouse.table import Table, literal

# Writing the whole file is as fast as changing a third of its rows (measured).
_SHARE_TO_REPLACE = 0.5
"""Share of the rows; an updated row counts twice in the feed."""
_ROWS_TO_REPLACE = 50_000


class Warehouse:
    """The sink `warehouse`: the file at `warehouse.path`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.path = Path(settings.warehouse.path)

    def follow(self, publication: Publication) -> StepReport:
        """Update the file to the publication, unless it shows it already.

        Raises: SinkError when the file cannot be written, differs from the lake or is of another one; SinkTimeout.
        """
        with measured() as watch:
            shown = self.shows()
            has = shown.publication if shown else None
            changed = 0 if shown and shown.is_at(publication) else self._bring_to(publication, shown)
            return StepReport(
                stage="sink",
                subject="warehouse",
                rows_in=changed,
                rows_out=changed,
                seconds=watch.seconds,
                peak_rss_bytes=resident_bytes(),
                facts={"publication": publication.number, "was_at": has},
            )

    def forget(self, subject: Subject) -> int:
        """Write the whole file without the person's rows: a row deleted in place stays readable in the file's blocks.

        Raises: SinkError.
        """
        return write_without(subject, self.path) if self.path.exists() else 0

    def probe(self) -> Iterator[Finding]:
        """Check that the file opens, and name the publication it shows."""
        if not self.path.exists():
            yield Finding("file", True, f"not created yet: the first publication creates it at {self.path}")
            return
        shown = warehouse_snapshot(self.path)
        if shown is None:
            found = f"{self.path} cannot be read as a warehouse"
            yield Finding("file", False, found, "Give read access, or delete it: the next run writes it again.")
        else:
            yield Finding("file", True, f"shows publication {shown} at {self.path}")

    def shows(self) -> Shown | None:
        """Return the publication of the file; None when there is no readable file."""
        return _shown(self.path)

    def clear(self) -> None:
        """Delete the file. Raises: SinkError."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise SinkError(
                f"The warehouse {self.path} cannot be deleted ({error.strerror}).", next_move="Delete it yourself."
            ) from None

    def _bring_to(self, publication: Publication, shown: Shown | None) -> int:
        """Replace the file by one of the publication, unless it would be equal; return the number of rows written."""
        con = self._open_reader(at=publication.snapshot.id)
        try:
            with interrupted_after(con, seconds=self._settings.sinks.timeout_seconds):
                view = LakeView(con, lake_location(self._settings))
                lake_id = view.lake_id()
                refuse_stranger(
                    shown, lake_id=lake_id, newest=view.newest_number(), sink="warehouse", place=str(self.path)
                )
                # Another run can have published and written the file meanwhile.
                if shown and shown.publication >= publication.number:
                    return 0
                spread_small_tables(con)
                feeds = self._choose_feeds(con, publication.snapshot.id, shown.publication if shown else None)
                copy = any(feeds.values())
                return replace_file(con, feeds, publication, self.path, lake_id=lake_id, copy=copy)
        except duckdb.InterruptException as error:
            raise SinkTimeout(
                f"The warehouse was not at publication {publication.number} after "
                f"{self._settings.sinks.timeout_seconds:g} s (sinks.timeout_seconds).",
                next_move="It is as it was. Raise the setting, or make the machine faster, and run again.",
            ) from error
        finally:
            con.close()

    def _choose_feeds(self, con: duckdb.DuckDBPyConnection, snapshot: int, has: int | None) -> dict[Table, str | None]:
        """Return each table's change feed since the file's number; None: write it whole."""
        metadata = metadata_of(lake_location(self._settings))
        feeds = {table: _feed(con, table, metadata=metadata, after=has, upto=snapshot) for table in published.TABLES}
        changes = {table: fetch_int(con, f"SELECT count(*) FROM ({feed})") for table, feed in feeds.items() if feed}
        rows = sum(fetch_int(con, f"SELECT count(*) FROM {table.in_lake}") for table in feeds)
        is_much = sum(changes.values()) > max(rows * _SHARE_TO_REPLACE, _ROWS_TO_REPLACE)
        if is_much or (has is not None and not _has_columns(con, self.path)):
            return dict.fromkeys(feeds)
        return feeds

    def _open_reader(self, at: int | None = None) -> duckdb.DuckDBPyConnection:
        lake = self._settings.lake
        return open_reader(
            lake_location(self._settings), at=at, memory_limit=lake.memory_limit, threads=lake.threads or None
        )


def warehouse_snapshot(path: Path) -> int | None:
    """Return the publication number of a warehouse file; None when there is no readable file."""
    shown = _shown(path)
    return shown.publication if shown else None


def _shown(path: Path) -> Shown | None:
    if not path.exists():
        return None
    with suppress(duckdb.Error):
        con = connect(path, read_only=True)
        try:
            found = con.execute("FROM _publication")
            names = [column[0] for column in found.description or ()]
            row = found.fetchone()
            if row:
                values = dict(zip(names, row, strict=True))
                # Files of former versions do not know their lake.
                return Shown(int(values["snapshot_id"]), str(values.get("lake_id", "")))
        finally:
            con.close()
    return None


def _has_columns(con: duckdb.DuckDBPyConnection, warehouse: Path) -> bool:
    """Return whether the file's tables have the columns of the lake's: a change feed brings no column or type along."""
    con.execute(f"ATTACH {literal(str(warehouse))} AS {DRAFT} (READ_ONLY)")
    try:
        for table in published.TABLES:
            here, lake = (_columns(con, name) for name in (f"{DRAFT}.{table.sql_name}", table.in_lake))
            if here != lake or tuple(here) != table.column_names:
                return False
    except duckdb.CatalogException:
        return False
    finally:
        con.execute(f"DETACH {DRAFT}")
    return True


def _columns(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    return dict(con.execute(f"SELECT column_name, column_type FROM (DESCRIBE {table})").fetchall())


def _feed(con: duckdb.DuckDBPyConnection, table: Table, *, metadata: str, after: int | None, upto: int) -> str | None:
    """Return the table's changes since the file's number; None when the table has to be written whole."""
    if after is None:
        return None
    try:
        return changes_sql(con, table, metadata=metadata, after=after, upto=upto)
    except SnapshotNotFound:
        return None
