"""Land the windows of one object on the connection of an open lake transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import duckdb

from dataflow.errors import ConservationError
from dataflow.land import sql
from dataflow.land.fetch import FetchedWindow
from dataflow.land.ledger import Ledger
from dataflow.sources import FetchReport, WindowMeasure
from dataflow.sources.drift import describe
from dataflow.sources.protocol import BEGINNING, END
from dataflow.tables.raw import raw_table
from dataflow.workspace.report import DRIFT_FACT, GAP_FACT, NOTES_FACT, StepReport
from dataflow.workspace.staging import Run
from lakehouse.table import timestamp_literal

_EMPTY = WindowMeasure(0, "0")


@dataclass(frozen=True)
class _Landed:
    """What windows brought, by their place: their versions, those that raw holds of them, how many were appended.

    `gone` are deletions that were added besides.
    """

    received: Mapping[int, WindowMeasure]
    in_raw: Mapping[int, WindowMeasure]
    appended: Mapping[int, int]
    gone: int = 0


class Landing:
    """Append the staged windows of one object to raw, and check that raw then holds all of them."""

    def __init__(self, con: duckdb.DuckDBPyConnection, windows: Sequence[FetchedWindow], run: Run) -> None:
        # By time, so that of a row received twice the first receipt is kept, in whatever order the windows are listed.
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
        self._read_staged()
        landed = self._land_all() or self._land_fresh()
        received, in_lake, appended, gone = landed.received, landed.in_raw, landed.appended, landed.gone
        watermark = self._advance_watermark(ledger)
        reports: list[StepReport] = []
        for w, window in enumerate(self._windows):
            got, raw = received.get(w, _EMPTY), in_lake.get(w, _EMPTY)
            _check(window, got, raw)
            figures = {"source": _at_source(window, got), "raw": raw}
            absent = window.report.drift.absent
            ledger.note_comparison(window.planned, "landing", **figures, appended=appended.get(w, 0), absent=absent)
            ledger.note_files(window)
            reports.append(replace(window_report(window, appended.get(w, 0), gone), watermark=watermark))
        for name in ("landed", "fresh"):
            self._con.execute(f"DROP TABLE IF EXISTS {name}")
        return [report for _, report in sorted(zip(self._order, reports, strict=True), key=lambda item: item[0])]

    def _land_all(self) -> _Landed | None:
        """Append every staged row where each is a version of its own, in a range of which raw holds nothing.

        So is a first load, and a delivery of new days. Then the range of raw must hold exactly the staged versions,
        which one reading of it shows: without the comparison of each version with raw, landing costs half.
        """
        rows, versions, earliest, latest, timeless = self._con.execute(
            "SELECT count(*), count(DISTINCT mark), min(changed_at), max(changed_at), count(*) > count(changed_at)"
            " FROM landed"
        ).fetchall()[0]
        within = sql.range_sql(self._raw, earliest=earliest, latest=latest, timeless=timeless)
        if not rows or rows != versions or self._con.execute(f"SELECT 1 FROM {within} LIMIT 1").fetchall():
            return None
        self._insert("s.changed_at", is_all=True)
        received = self._measures(sql.marked_measure_sql())
        staged, found = (
            self._con.execute(sql.same_rows_sql(f"SELECT {columns} FROM {place}")).fetchall()
            for columns, place in (
                ("record_key AS key, changed_at, row_hash", "landed"),
                ("_record_key AS key, _changed_at AS changed_at, _row_hash AS row_hash", within),
            )
        )
        # Where they differ, the comparison by window says what is missing.
        in_raw = received if staged == found else self._measures(sql.measure_sql(self._in_raw_sql()))
        return _Landed(received, in_raw, {w: one.count for w, one in received.items()})

    def _land_fresh(self) -> _Landed:
        """Append the staged versions that raw does not hold, and look for all of them in raw."""
        in_raw = self._in_raw_sql()
        self._con.execute(sql.create_fresh_sql(in_raw))
        appended = self._counts("SELECT w, count(*) FROM fresh GROUP BY w")
        gone = self._append(sum(appended.values()))
        versions = "SELECT DISTINCT w, record_key, changed_at, row_hash FROM landed"
        return _Landed(
            self._measures(sql.measure_sql(versions)), self._measures(sql.measure_sql(in_raw)), appended, gone
        )

    def _in_raw_sql(self) -> str:
        earliest, latest, timeless = self._con.execute(
            "SELECT min(changed_at), max(changed_at), count(*) > count(changed_at) FROM landed"
        ).fetchall()[0]
        return sql.in_raw_sql(self._raw, earliest=earliest, latest=latest, timeless=timeless)

    def _read_staged(self) -> None:
        self._con.execute(sql.create_marked_sql(self._files))

    def _append(self, rows: int) -> int:
        """Append the fresh rows; return how many deletions were added besides."""
        if rows:
            self._insert("s.changed_at")
        return 0

    def _insert(self, changed_at: str, *, is_all: bool = False) -> None:
        self._con.execute(
            sql.insert_sql(self._raw, self._files, changed_at, is_all),
            {
                "run": self._run.run_id,
                "source": self._source,
                "object": self._object,
                "extracted": [_extracted_at(window) for window in self._windows],
            },
        )

    def _advance_watermark(self, ledger: Ledger) -> datetime | None:
        before = ledger.read_watermark(self._source, self._object)
        ceiling = ledger.gaps.ceiling(self._source, self._object, watermark=before)
        reached = self._reached(ceiling or END)
        return ledger.advance_watermark(self._source, self._object, before=before, reached=reached)

    def _reached(self, ceiling: datetime) -> datetime | None:
        """Return the newest change inside the windows that move the watermark, and before the first gap.

        A change dated after its window (by a clock that is ahead) does not count: it would hide the changes between.
        """
        ends = [
            min(window.planned.window.until, ceiling) if window.planned.moves_watermark else BEGINNING
            for window in self._windows
        ]
        limits = ", ".join(timestamp_literal(end) for end in ends)
        reached: datetime | None = self._con.execute(
            f"SELECT max(changed_at) FROM landed WHERE changed_at < ([{limits}])[w + 1]"
        ).fetchall()[0][0]
        return reached

    def _counts(self, query: str) -> dict[int, int]:
        return {int(w): int(count) for w, count in self._con.execute(query).fetchall()}

    def _measures(self, query: str) -> dict[int, WindowMeasure]:
        found = self._con.execute(query).fetchall()
        return {int(w): WindowMeasure(int(count), str(fingerprint)) for w, count, fingerprint in found}


def window_report(window: FetchedWindow, appended: int, gone: int = 0) -> StepReport:
    """Report a window: rows in = appended + merged (rows that raw or the window already held).

    `gone` are records that the window, being the whole object, lacks: their deletions were added.
    """
    seen = window.report
    facts: dict[str, object] = {"files": len(window.planned.parts), "defects": seen.defects, "deleted": seen.deleted}
    if gone:
        facts["gone"] = gone
    if seen.drift:
        facts[DRIFT_FACT] = describe(seen.drift)
    if seen.formats:
        facts["formats"] = dict(seen.formats)
    if seen.notes:
        facts[NOTES_FACT] = [f"{name}: {note}" for name, note in seen.notes.items()]
    if shortfall(seen):
        facts[GAP_FACT] = shortfall_message(seen)
    return StepReport(
        stage="land",
        subject=window.planned.subject,
        rows_in=seen.rows,
        rows_out=appended,
        merged=seen.rows - appended,
        inserted=appended + gone,
        facts=facts,
    )


def _extracted_at(window: FetchedWindow) -> datetime:
    """Return when a window was read; of the windows of one run, a later one counts as read later, by microseconds.

    The order of versions (sources/versions.py) then is the same whether windows land in one run or one by one.
    """
    return window.extracted_at + timedelta(microseconds=(window.planned.window.start - BEGINNING).days)


def shortfall(report: FetchReport) -> int:
    """Return how many promised rows are missing. More rows than promised is not a loss: raw has each once."""
    return max((report.promised or 0) - report.rows, 0)


def shortfall_message(report: FetchReport) -> str:
    """Return the message of a window for which the source handed over fewer rows than it promised."""
    return f"the source promised {report.promised} rows and handed over {report.rows}"


def _at_source(window: FetchedWindow, received: WindowMeasure) -> WindowMeasure:
    """Return the measure of the source: the rows it handed over, plus the promised rows that are missing."""
    missing = shortfall(window.report)
    return WindowMeasure(received.count + missing, "") if missing else received


def _check(window: FetchedWindow, received: WindowMeasure, raw: WindowMeasure) -> None:
    if received != raw:
        raise ConservationError(
            f"Landing {window.planned.subject}: the source holds {received.count} versions (fingerprint "
            f"{received.fingerprint}), raw would hold {raw.count} of them (fingerprint {raw.fingerprint}).",
            next_move="Nothing was committed. If it happens again on the same lake, compare raw with the window.",
        )
