"""The local warehouse: a DuckDB file with the published tables and views of one publication.

A draft is written beside the file and renamed over it: a reader sees one publication or the next and never waits, and a
kill at any point leaves the file unchanged. The draft starts as a copy of the file, so that an increment writes only
the changed rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import duckdb

from dataflow.access.lake import lake_location
from dataflow.errors import SinkError, SinkTimeout
from dataflow.publish.commit import Publication
from dataflow.settings import Settings
from dataflow.sinks.draft import DRAFT, replace_file, write_without
from dataflow.sinks.feeds import choose_feeds, open_lake_reader
from dataflow.sinks.file_plan import plan_of_file
from dataflow.sinks.protocol import Records, Shown, refuse_stranger
from dataflow.sources.protocol import Finding
from dataflow.tables import published
from dataflow.tables.subject import Subject
from dataflow.workspace.report import StepReport, measured, resident_bytes
from lakehouse import LakeView
from lakehouse.connect import connect, interrupted_after, spread_small_tables
from lakehouse.table import Table, literal


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

    def plan(self, *, is_deep: bool) -> dict[str, Records]:
        """Compare the file's tables with the lake's; `is_deep` compares all rows. Raises: SinkError."""
        with closing(open_lake_reader(self._settings)) as con:
            view, shown = LakeView(con, lake_location(self._settings)), self.shows()
            newest = view.newest_number()
            refuse_stranger(shown, lake_id=view.lake_id(), newest=newest, sink="warehouse", place=str(self.path))
            number = view.last_change_in("published") or newest
            return plan_of_file(con, self.path, shown, newest=number, is_deep=is_deep)

    def apply(self, *, prune: bool, confirm: Callable[[Records], bool]) -> Records:  # noqa: ARG002 (of the protocol)
        """Do nothing: the modes of the file say who reads it, and each publication writes all tables and views."""
        return []

    def _bring_to(self, publication: Publication, shown: Shown | None) -> int:
        """Replace the file by one of the publication, unless it would be equal; return the number of rows written."""
        con = open_lake_reader(self._settings, at=publication.snapshot.id)
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
        if has is not None and not _has_columns(con, self.path):
            return dict.fromkeys(published.TABLES)
        return choose_feeds(con, published.TABLES, self._settings, after=has, upto=snapshot)


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
