"""The bookkeeping of a landing: landed files, completeness of windows, watermarks, gaps; each table written once.

DuckLake writes a data file per INSERT, so the rows of all objects of a commit are collected first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import duckdb
import pyarrow as pa

from dataflow.land.fetch import FetchedWindow
from dataflow.land.gaps import GapBook, keys_text
from dataflow.sources import PlannedWindow, WindowMeasure
from dataflow.tables.ops import COMPLETENESS, LANDED_FILE, WATERMARK
from dataflow.workspace.staging import Run
from lakehouse.table import Table


class Ledger:
    """Collect the rows of one commit and write them on the connection of its transaction."""

    def __init__(self, con: duckdb.DuckDBPyConnection, run: Run) -> None:
        self.gaps = GapBook(con, run)
        self._con = con
        self._run = run
        self._completeness: list[dict[str, object]] = []
        self._files: list[dict[str, object]] = []
        self._watermarks: list[dict[str, object]] = []

    def note_comparison(
        self,
        planned: PlannedWindow,
        comparison: Literal["landing", "range", "keys", "keys_in_ranges", "ahead"],
        *,
        source: WindowMeasure,
        raw: WindowMeasure,
        appended: int,
        absent: Sequence[str] = (),
    ) -> None:
        """Record what the source and raw hold of a window."""
        self._completeness.append(
            {
                "source": planned.source,
                "object": planned.object,
                "window_from": planned.window.start,
                "window_until": planned.window.until,
                "keys": keys_text(planned),
                "comparison": comparison,
                "source_count": source.count,
                "source_fingerprint": source.fingerprint,
                "raw_count": raw.count,
                "raw_fingerprint": raw.fingerprint,
                "appended_count": appended,
                "checked_at": self._run.now,
                "absent_fields": list(absent) or None,
                "_run_id": self._run.run_id,
            }
        )

    def note_files(self, window: FetchedWindow) -> None:
        """Record a window's files as landed: they are not planned again."""
        planned = window.planned
        self._files += [
            {
                "source": planned.source,
                "object": planned.object,
                "path": part.path,
                "fingerprint": part.fingerprint,
                "size_bytes": part.size_bytes,
                "modified_at": part.modified_at,
                "row_count": window.report.rows_by_part.get(part.path, 0),
                "landed_at": self._run.now,
                "_run_id": self._run.run_id,
            }
            for part in planned.parts
        ]

    def read_watermark(self, source: str, object_name: str) -> datetime | None:
        """Return an object's watermark."""
        found = self._con.execute(
            f"SELECT cursor_at FROM {WATERMARK.in_lake} WHERE source = ? AND object = ?", [source, object_name]
        ).fetchone()
        return found[0] if found else None

    def advance_watermark(
        self, source: str, object_name: str, *, before: datetime | None, reached: datetime | None
    ) -> datetime | None:
        """Move the object's watermark from `before` to what was reached, never back; return it.

        The row is written again even when it stays the same: two concurrent landings of one object then conflict, and
        the second is repeated on top of the first.
        """
        timestamps = [timestamp for timestamp in (before, reached) if timestamp is not None]
        if not timestamps:
            return None
        furthest: datetime = max(timestamps)
        # An object without a time can have several windows, which are landed one after the other.
        self._watermarks = [one for one in self._watermarks if (one["source"], one["object"]) != (source, object_name)]
        self._watermarks.append(
            {
                "source": source,
                "object": object_name,
                "cursor_at": furthest,
                "advanced_at": self._run.now,
                "_run_id": self._run.run_id,
            }
        )
        return furthest

    def write(self) -> None:
        """Write the collected rows."""
        self.gaps.write()
        self._insert(COMPLETENESS, self._completeness)
        self._insert(LANDED_FILE, self._files, unless_known=True)
        if self._watermarks:
            self._con.register("ledger_rows", pa.Table.from_pylist(self._watermarks))
            self._con.execute(
                f"DELETE FROM {WATERMARK.in_lake} t USING ledger_rows n"
                " WHERE t.source = n.source AND t.object = n.object"
            )
            self._insert(WATERMARK, self._watermarks)

    def _insert(self, table: Table, rows: list[dict[str, object]], *, unless_known: bool = False) -> None:
        if not rows:
            return
        agree = " AND ".join(f'k."{key}" = n."{key}"' for key in table.key)
        unknown = f" WHERE NOT EXISTS (SELECT 1 FROM {table.in_lake} k WHERE {agree})" if unless_known else ""
        self._con.register("ledger_rows", pa.Table.from_pylist(rows))
        self._con.execute(f"INSERT INTO {table.in_lake} BY NAME SELECT * FROM ledger_rows n{unknown}")
        self._con.unregister("ledger_rows")
