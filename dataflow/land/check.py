"""Compare raw with the sources by range; bisect where count or fingerprint differ. This is the nightly check.

Landing compares each window as it is read. The check finds what landing cannot see: rows committed later than the
look-back reaches, rows that a source left out of an answer, rows lost on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import duckdb

from dataflow.land import sql
from dataflow.land.by_hash import same_in_raw_sql
from dataflow.land.gaps import Gap, gap_of
from dataflow.land.ledger import Ledger
from dataflow.land.plan import read_states
from dataflow.settings import Settings
from dataflow.sources import (
    Ahead,
    Halves,
    ObjectState,
    PlannedWindow,
    Source,
    Surveys,
    Window,
    WindowMeasure,
    open_source,
)
from dataflow.sources.following import follows_key
from dataflow.sources.protocol import BEGINNING, END
from dataflow.sources.record_key import KeyKinds, key_kinds, raw_key_sql
from dataflow.sources.versions import complete, key_fingerprint_sql, newest_sql
from dataflow.tables.raw import raw_table
from dataflow.workspace.report import GAP_FACT, StepReport
from dataflow.workspace.staging import Run
from lakehouse import Lake
from lakehouse.plural import agreeing, counted
from lakehouse.query import fetch_int
from lakehouse.table import timestamp_literal

LEAF_ROWS = 2_000
"""A range of at most this many rows is read and compared row by row: about a page of an API."""
MOST_SURVEYS = 400
"""Surveys per object; a range that still differs after them is read again whole, which a bulk export does faster."""
MOST_GAPS = 20
"""More gaps than this of one object become one gap from the first to the last: one bulk read for many small ones."""


_MICROSECOND = timedelta(microseconds=1)
_NOTHING = WindowMeasure(0, "0")


@dataclass(frozen=True)
class Checked:
    """What the check of one object found; `questions` counts its surveys, `rows_read` the rows it read again."""

    whole: PlannedWindow
    at_source: WindowMeasure
    in_raw: WindowMeasure
    gaps: tuple[Gap, ...] = ()
    questions: int = 0
    rows_read: int = 0
    in_doubt: tuple[Window, ...] = ()
    """Ranges in which raw holds records that the source does not show there: deleted, or changed since."""
    ahead: Ahead | None = None

    @property
    def name(self) -> tuple[str, str]:
        """Return source and object."""
        return self.whole.source, self.whole.object

    @property
    def missing(self) -> int:
        """Return the number of rows known to be missing in raw."""
        return sum(gap.missing_count or 0 for gap in self.gaps)

    def report(self) -> StepReport:
        """Report the check: rows in = rows of the source that are not known to be missing (out) + missing (aside)."""
        rows = max(self.at_source.count, self.missing)
        facts: dict[str, object] = {"in_raw": self.in_raw.count, "questions": self.questions, "read": self.rows_read}
        if found := "; ".join(self._differences()):
            facts[GAP_FACT] = found
        subject = f"{self.whole.source}.{self.whole.object}"
        return StepReport(
            stage="check",
            subject=subject,
            rows_in=rows,
            rows_out=rows - self.missing,
            set_aside=self.missing,
            facts=facts,
        )

    def _differences(self) -> Iterator[str]:
        if self.gaps:
            labels = ", ".join(replace(self.whole, window=gap.window).label for gap in self.gaps)
            yield f"{_rows(self.missing)} not in raw: {labels}"
        if self.ahead is not None and self.ahead.count:
            yield (
                f"{_rows(self.ahead.count)} stamped after {self.ahead.bound:%Y-%m-%d %H:%M:%S} UTC, later than the "
                "source's clock, and not read until then: correct the source's time_zone or these rows, or declare "
                "ahead_hours"
            )


def _rows(count: int) -> str:
    return f"{counted(count, 'row')} of the source {agreeing(count, 'is', 'are')}"


def check_object(
    lake: Lake,
    settings: Settings,
    name: tuple[str, str],
    run: Run,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Checked:
    """Compare an object with raw in [since, until), up to its watermark. Writes nothing.

    Rows that are stamped later than the source's clock are counted.

    A source that answers surveys is compared whole; of any other source the windows are read again, by default those
    of the last `completeness.files_days` days.
    Raises: SourceMissing, SourceMalformed, SourceIncomplete, SourceUnavailable, SchemaDrift.
    """
    source = open_source(settings, name[0])
    state = read_states(lake).get(name, ObjectState())
    if isinstance(source, Surveys) and not settings.sources[name[0]].objects[name[1]].cursor:
        # Each landing compares all of it, and between two of them it may change.
        return Checked(PlannedWindow(*name, Window(BEGINNING, BEGINNING), (), ""), _NOTHING, _NOTHING)
    if isinstance(source, Surveys):
        # The watermark is the newest landed change: the row that has it is compared too.
        end = min(until or END, state.watermark + _MICROSECOND if state.watermark else BEGINNING)
        by_key = follows_key(settings.sources[name[0]], name[1])
        window = Window(min(since or BEGINNING, end), end)
        whole = PlannedWindow(*name, window, (), f"check {run.run_id}", follows_key=by_key)
        ahead = source.count_ahead(name[1]) if until is None else None
        if whole.window.start == end:
            return Checked(whole, _NOTHING, _NOTHING, ahead=ahead)
        con = lake.cursor()
        try:
            system = settings.sources[name[0]]
            con.execute(_current_sql(whole, key_kinds(system, system.objects[name[1]])))
            return replace(_Bisection(con, source, source, whole).check(), ahead=ahead)
        finally:
            con.close()
    since = since or run.now - timedelta(days=settings.completeness.files_days)
    return _check_by_reading(lake, source, name, state, since=since, until=until)


def record_checks(lake: Lake, found: Sequence[Checked], run: Run) -> None:
    """Record gaps and figures of checks in one transaction; the next run repairs the gaps."""

    def write(con: duckdb.DuckDBPyConnection) -> None:
        ledger = Ledger(con, run)
        for checked in found:
            for gap in checked.gaps:
                ledger.gaps.open(gap)
            ledger.note_comparison(checked.whole, "range", source=checked.at_source, raw=checked.in_raw, appended=0)
            if checked.ahead is not None:
                beyond = replace(checked.whole, window=Window(checked.ahead.bound, END))
                counted = WindowMeasure(checked.ahead.count, "")
                ledger.note_comparison(beyond, "ahead", source=counted, raw=_NOTHING, appended=0)
        ledger.write()

    if found:
        gaps = sum(len(checked.gaps) for checked in found)
        message = f"check {len(found)} objects: {gaps} gaps"
        lake.transact(write, author="dataflow", run_id=run.run_id, message=message)


def is_alike(source: WindowMeasure, raw: WindowMeasure) -> bool:
    """Return whether two measures agree, in as much as the source can measure."""
    return source.count == raw.count and source.fingerprint in ("", raw.fingerprint)


@dataclass
class _Bisection:
    """Survey ever smaller ranges, and read those that differ. `con` has the table `current_record`."""

    con: duckdb.DuckDBPyConnection
    source: Source
    surveys: Surveys
    whole: PlannedWindow
    questions: int = 0
    rows_read: int = 0
    gaps: list[Gap] = field(default_factory=list)
    in_doubt: list[Window] = field(default_factory=list)

    def check(self) -> Checked:
        at_source, in_raw = self._ask(self.whole.window), self._measure(self.whole.window)
        self._look(self.whole.window, at_source, in_raw)
        if not at_source.fingerprint:
            in_raw = replace(in_raw, fingerprint="")
        gaps = tuple(_joined(self.gaps))
        in_doubt = tuple(sorted(self.in_doubt))
        return Checked(self.whole, at_source, in_raw, gaps, self.questions, self.rows_read, in_doubt)

    def _look(self, window: Window, at_source: WindowMeasure, in_raw: WindowMeasure) -> None:
        if is_alike(at_source, in_raw):
            return
        # An empty range at the source cannot miss rows: the records that raw has there were changed or deleted since.
        if not at_source.count:
            self.in_doubt.append(window)
            return
        planned = replace(self.whole, window=window)
        halves = () if at_source.count <= LEAF_ROWS else self._halves(planned)
        if len(halves) != 2:
            found = _compare(self.con, self.source, planned)
            self.rows_read += found.rows
            if found.missing:
                self.gaps.append(_missing(planned, found.missing))
            if self._holds_more(window):
                self.in_doubt.append(window)
        elif self.questions >= MOST_SURVEYS:
            self.gaps.append(_missing(planned, None))
            self.in_doubt.append(window)
        else:
            left, right = halves
            of_left = self._ask(left)
            self._look(left, of_left, self._measure(left))
            of_right = _less(at_source, of_left)
            # A source that is written to meanwhile can count more in the half than it counted in the whole.
            self._look(right, of_right if of_right.count >= 0 else self._ask(right), self._measure(right))

    def _halves(self, planned: PlannedWindow) -> tuple[Window, ...]:
        """Return two windows that cover the range, or none. The first cut is where raw begins: little lies before."""
        window = planned.window
        row = self.con.execute("SELECT min(changed_at) FROM current_record").fetchone()
        first = row[0].replace(microsecond=0) if row and row[0] else BEGINNING
        if window.start == BEGINNING and window.start < first < window.until:
            return Window(window.start, first), Window(first, window.until)
        if isinstance(self.source, Halves):
            return tuple(half.window for half in self.source.halve(planned))
        middle = window.start + (window.until - window.start) / 2
        return (Window(window.start, middle), Window(middle, window.until)) if window.start < middle else ()

    def _holds_more(self, window: Window) -> bool:
        """Return whether raw has a record in a window that was read (`landed`) whose key the window does not have."""
        return bool(
            fetch_int(
                self.con,
                f"SELECT count(*) FROM current_record WHERE {_within(window)}"
                " AND record_key NOT IN (SELECT record_key FROM landed)",
            )
        )

    def _ask(self, window: Window) -> WindowMeasure:
        self.questions += 1
        return self.surveys.survey(replace(self.whole, window=window))

    def _measure(self, window: Window) -> WindowMeasure:
        count, fingerprint = self.con.execute(
            f"SELECT count(*), {key_fingerprint_sql('record_key', 'changed_at')} FROM current_record"
            f" WHERE {_within(window)}"
        ).fetchall()[0]
        return WindowMeasure(int(count), str(fingerprint))


def _within(window: Window) -> str:
    return f"changed_at >= {timestamp_literal(window.start)} AND changed_at < {timestamp_literal(window.until)}"


def _current_sql(planned: PlannedWindow, kinds: KeyKinds) -> str:
    """Return the statement that makes `current_record`: the newest version of each record that raw holds undeleted.

    The key is as received, since the source computes its fingerprint of that.
    """
    raw = raw_table(planned.source, planned.object)
    return f"""
        CREATE OR REPLACE TEMP TABLE current_record AS
        SELECT _record_key AS record_key, _changed_at AS changed_at
        FROM ({newest_sql(raw.in_lake, "_record_key, _changed_at, _is_deleted", key=raw_key_sql("", kinds))})
        WHERE NOT _is_deleted AND _changed_at IS NOT NULL
    """


def _less(whole: WindowMeasure, left: WindowMeasure) -> WindowMeasure:
    """Return the measure of the right half without a survey: counts and fingerprints are sums."""
    fingerprint = str(int(whole.fingerprint) - int(left.fingerprint)) if whole.fingerprint and left.fingerprint else ""
    return WindowMeasure(whole.count - left.count, fingerprint)


@dataclass(frozen=True)
class _Compared:
    rows: int
    measure: WindowMeasure
    missing: int


def _compare(con: duckdb.DuckDBPyConnection, source: Source, planned: PlannedWindow) -> _Compared:
    """Read a window and look up each of its versions in raw."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE landed (w INT, record_key VARCHAR, changed_at TIMESTAMPTZ, row_hash VARCHAR)"
    )
    rows = 0
    for versions in complete(con, source.fetch(planned).batches):
        con.register("versions", versions)
        con.execute("INSERT INTO landed SELECT 0, record_key, changed_at, row_hash FROM versions")
        con.unregister("versions")
        rows += versions.num_rows
    earliest, latest, timeless = con.execute(
        "SELECT min(changed_at), max(changed_at), count(*) > count(changed_at) FROM landed"
    ).fetchall()[0]
    raw = raw_table(planned.source, planned.object)
    in_raw = (
        same_in_raw_sql(raw, planned.by_hash)
        if planned.by_hash
        else sql.in_raw_sql(raw, earliest=earliest, latest=latest, timeless=timeless)
    )
    distinct = "SELECT DISTINCT w, record_key, changed_at, row_hash FROM landed"
    measured = con.execute(sql.measure_sql(distinct)).fetchall()
    measure = WindowMeasure(int(measured[0][1]), str(measured[0][2])) if measured else _NOTHING
    return _Compared(rows, measure, fetch_int(con, f"SELECT count(*) FROM ({distinct} EXCEPT FROM ({in_raw}))"))


def _check_by_reading(
    lake: Lake,
    source: Source,
    name: tuple[str, str],
    state: ObjectState,
    *,
    since: datetime,
    until: datetime | None,
) -> Checked:
    """Read the landed windows of a source again, one by one."""
    con = lake.cursor()
    gaps, rows, count, missing, fingerprint = [], 0, 0, 0, 0
    try:
        for planned in source.plan(name[1], ObjectState(), since=since, until=until):
            if not _is_landed(planned, state):
                continue
            found = _compare(con, source, planned)
            rows += found.rows
            count += found.measure.count
            missing += found.missing
            fingerprint += int(found.measure.fingerprint)
            if found.missing:
                gaps.append(_missing(planned, found.missing))
    finally:
        con.close()
    whole = PlannedWindow(*name, Window(since, until or END), (), "")
    at_source = WindowMeasure(count, str(fingerprint))
    in_raw = WindowMeasure(count - missing, "") if missing else at_source
    return Checked(whole, at_source, in_raw, tuple(gaps), rows_read=rows)


def _is_landed(planned: PlannedWindow, state: ObjectState) -> bool:
    """Return whether a window was landed whole: a new window is not missing. Without files the watermark decides."""
    if not planned.parts:
        return state.watermark is not None and planned.window.until <= state.watermark
    return all(
        part.fingerprint in {one.fingerprint for one in state.parts.get(part.path, ())} for part in planned.parts
    )


def _missing(planned: PlannedWindow, count: int | None) -> Gap:
    found = _rows(count) if count is not None else "rows of the source can be"
    return gap_of(planned, reason="missing", detail=f"the check found that {found} not in raw", missing_count=count)


def _joined(gaps: Iterable[Gap]) -> Iterator[Gap]:
    """Join gaps that meet; more than MOST_GAPS become one."""
    ordered = sorted(gaps, key=lambda gap: gap.window)
    if len(ordered) > MOST_GAPS:
        yield _one_gap(ordered)
        return
    run: list[Gap] = []
    for gap in ordered:
        if run and run[-1].window.until != gap.window.start:
            yield _one_gap(run)
            run = []
        run.append(gap)
    if run:
        yield _one_gap(run)


def _one_gap(gaps: list[Gap]) -> Gap:
    first = gaps[0]
    counts = [gap.missing_count for gap in gaps]
    total = None if None in counts else sum(count or 0 for count in counts)
    window = Window(first.window.start, max(gap.window.until for gap in gaps))
    return _missing(PlannedWindow(first.source, first.object, window, (), ""), total)
