"""Land the windows of one object on the connection that a lake transaction is open on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import duckdb

from dataflow.errors import ConservationError
from dataflow.land import sql
from dataflow.land.fetch import FetchedWindow
from dataflow.land.ledger import Ledger
from dataflow.report import StepReport
from dataflow.sources import WindowMeasure
from dataflow.sources.drift import describe
from dataflow.tables.raw import raw_table
from dataflow.workspace import Run

_EMPTY = WindowMeasure(0, "0")


class Landing:
    """Adds to raw what the staged windows of one object bring, and checks that raw then holds all of it."""

    def __init__(self, con: duckdb.DuckDBPyConnection, windows: Sequence[FetchedWindow], run: Run) -> None:
        # By time, so that of a row received twice the first receipt is kept, however the windows are listed.
        self._order = sorted(range(len(windows)), key=lambda place: windows[place].planned.window)
        self._windows = [windows[place] for place in self._order]
        self._files = [window.file for window in self._windows]
        self._con = con
        self._run = run
        self._source = windows[0].planned.source
        self._object = windows[0].planned.object
        self._raw = raw_table(self._source, self._object)

    def land(self, ledger: Ledger) -> list[StepReport]:
        """Append, measure, report: one report per window, in the order the windows were given.

        Raises: ConservationError.
        """
        self._con.execute(sql.create_landed_sql(self._files))
        in_raw = self._in_raw_sql()
        self._con.execute(sql.create_fresh_sql(in_raw))
        appended = self._counts("SELECT w, count(*) FROM fresh GROUP BY w")
        if appended:
            self._append()
        at_source = self._measures("SELECT DISTINCT w, record_key, changed_at, row_hash FROM landed")
        in_lake = self._measures(in_raw)
        watermark = ledger.advance_watermark(self._source, self._object, self._reached())
        reports: list[StepReport] = []
        for w, window in enumerate(self._windows):
            source, raw = at_source.get(w, _EMPTY), in_lake.get(w, _EMPTY)
            _check(window, source, raw)
            ledger.note_completeness(window, source=source, raw=raw, appended=appended.get(w, 0))
            ledger.note_files(window)
            reports.append(replace(window_report(window, appended.get(w, 0)), watermark=watermark))
        for name in ("landed", "fresh"):
            self._con.execute(f"DROP TABLE {name}")
        return [report for _, report in sorted(zip(self._order, reports, strict=True), key=lambda item: item[0])]

    def _in_raw_sql(self) -> str:
        earliest, latest, timeless = self._con.execute(
            "SELECT min(changed_at), max(changed_at), count(*) > count(changed_at) FROM landed"
        ).fetchall()[0]
        return sql.in_raw_sql(self._raw, earliest=earliest, latest=latest, timeless=timeless)

    def _append(self) -> None:
        self._con.execute(
            sql.insert_sql(self._raw, self._files),
            {
                "run": self._run.run_id,
                "source": self._source,
                "object": self._object,
                "extracted": [window.extracted_at for window in self._windows],
            },
        )

    def _reached(self) -> datetime | None:
        """The newest change inside the windows.

        One dated after its window (a clock that is ahead) does not count: it would hide what comes in between.
        """
        limits = ", ".join(f"TIMESTAMPTZ '{window.planned.window.until.isoformat()}'" for window in self._windows)
        reached: datetime | None = self._con.execute(
            f"SELECT max(changed_at) FROM landed WHERE changed_at < ([{limits}])[w + 1]"
        ).fetchall()[0][0]
        return reached

    def _counts(self, query: str) -> dict[int, int]:
        return {int(w): int(count) for w, count in self._con.execute(query).fetchall()}

    def _measures(self, versions: str) -> dict[int, WindowMeasure]:
        found = self._con.execute(sql.measure_sql(versions)).fetchall()
        return {int(w): WindowMeasure(int(count), str(fingerprint)) for w, count, fingerprint in found}


def window_report(window: FetchedWindow, appended: int) -> StepReport:
    """Report a window: rows in = appended + merged, which raw or the window itself already held."""
    seen = window.report
    facts: dict[str, object] = {"files": len(window.planned.parts), "defects": seen.defects, "deleted": seen.deleted}
    if seen.drift:
        facts["drift"] = describe(seen.drift)
    if seen.notes:
        facts["notes"] = dict(seen.notes)
    return StepReport(
        stage="land",
        subject=window.planned.subject,
        rows_in=seen.rows,
        rows_out=appended,
        merged=seen.rows - appended,
        inserted=appended,
        facts=facts,
    )


def _check(window: FetchedWindow, source: WindowMeasure, raw: WindowMeasure) -> None:
    if source != raw:
        raise ConservationError(
            f"Landing {window.planned.subject}: the source holds {source.count} versions (fingerprint "
            f"{source.fingerprint}), raw would hold {raw.count} of them (fingerprint {raw.fingerprint}).",
            next_move="Nothing was committed. If it happens again on the same lake, compare raw with the window.",
        )
