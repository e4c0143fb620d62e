"""Add fetched windows to raw, with watermark, files, completeness and gaps, in one lake transaction.

Landing the same window again changes nothing: a landed file is recognised by its fingerprint, and a row in raw by its
key, version and hash.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import duckdb

from dataflow.errors import ConservationError, DataFlowError, SourceIncomplete
from dataflow.land.absences import gaps_of_absence
from dataflow.land.by_hash import land_by_hash
from dataflow.land.fetch import FetchedWindow
from dataflow.land.gaps import Failure, Gap, covers, gap_of, read_open_gaps
from dataflow.land.landing import Landing, shortfall, shortfall_message, window_report
from dataflow.land.ledger import Ledger
from dataflow.land.plan import read_states
from dataflow.sources import ObjectState, PlannedWindow
from dataflow.workspace.defects import wrapping_defects
from dataflow.workspace.report import GAP_FACT, NOTES_FACT, StepReport, measured
from dataflow.workspace.staging import Run
from lakehouse import Lake

_Placed = tuple[int, FetchedWindow]


@dataclass(frozen=True)
class PlanFindings:
    """What a commit records besides the windows: failed windows, and the ids of open gaps that are closed."""

    failures: tuple[Failure, ...] = ()
    closed_gaps: Collection[str] = ()


def commit_window(lake: Lake, fetched: FetchedWindow, run: Run) -> StepReport:
    """Commit one fetched window in its own transaction. Raises: as `commit_windows`."""
    return commit_windows(lake, [fetched], run)[0]


def commit_windows(
    lake: Lake, fetched: Sequence[FetchedWindow], run: Run, *, findings: PlanFindings | None = None
) -> list[StepReport]:
    """Commit fetched windows of one or several objects in one lake transaction: all of them or none.

    One commit for many windows saves the cost of commits (files for four tables, the readers' copy). A failure loses
    only this step, because the windows stay in the landing area.
    Shape: one report per window, in order: rows in = appended + merged (rows that raw or the window already holds).
    Rows that the reader cannot shape are landed with `_defect` and counted in the facts. Then one report without rows
    per failure, with its gap in the facts.
    Raises: ConservationError when raw would not hold exactly the windows' versions afterwards; SourceIncomplete when a
    whole reading lacks implausibly many records; LakeError.
    """
    findings = findings or PlanFindings()
    with measured() as watch:
        reports = {place: window_report(window, 0) for place, window in enumerate(fetched)}
        pending = _by_object(_not_landed(lake, fetched))
        windows = [window for group in pending for _, window in group]

        def land(con: duckdb.DuckDBPyConnection) -> dict[int, StepReport]:
            ledger = Ledger(con, run)
            _note_gaps(ledger, windows, findings)
            unread = list(gaps_of_absence(con, windows))
            for gap in unread:
                ledger.gaps.open(gap)
            landed: dict[int, StepReport] = {}
            for group in pending:
                made = _land(con, [window for _, window in group], run, ledger)
                made[0] = _with_unread(made[0], unread)
                landed |= dict(zip([place for place, _ in group], made, strict=True))
            ledger.write()
            return landed

        if pending or findings.failures or not read_open_gaps(lake).keys().isdisjoint(findings.closed_gaps):
            landed, _ = lake.transact(land, author="dataflow", run_id=run.run_id, message=_message(windows, findings))
            reports |= landed
    share = watch.seconds / max(len(fetched), 1)
    made = [replace(reports[place], seconds=fetched[place].seconds + share) for place in range(len(fetched))]
    return made + [failure_report(failure) for failure in findings.failures]


def _land(
    con: duckdb.DuckDBPyConnection, windows: Sequence[FetchedWindow], run: Run, ledger: Ledger
) -> list[StepReport]:
    by_hash = windows[0].planned.by_hash
    if by_hash is None:
        return Landing(con, windows, run).land(ledger)
    return land_by_hash(con, windows, run, ledger, by_hash=by_hash)


def commit_what_holds(
    lake: Lake, fetched: Sequence[FetchedWindow], run: Run, *, findings: PlanFindings | None = None
) -> list[StepReport]:
    """Commit as `commit_windows`; where an object cannot be landed, commit the others without it.

    So where raw would not hold all of an object, its staged rows cannot be read, or it lacks too many records.
    Shape: reports in the order of the windows' objects, then those of failures.
    Raises: LakeError.
    """
    findings = findings or PlanFindings()
    try:
        return commit_windows(lake, fetched, run, findings=findings)
    except (ConservationError, SourceIncomplete, duckdb.Error):
        # Rare. Committed one by one, the failing object shows, and the others do not wait for its repair.
        pass
    reports: list[StepReport] = []
    failures = list(findings.failures)
    for group in _by_object(enumerate(fetched)):
        windows = [window for _, window in group]
        try:
            with wrapping_defects(f"landing {windows[0].planned.source}.{windows[0].planned.object}"):
                reports += commit_windows(lake, windows, run)
        except DataFlowError as error:
            failures += [Failure(w.planned.source, w.planned.object, error, w.planned) for w in windows]
    return reports + commit_windows(lake, [], run, findings=replace(findings, failures=tuple(failures)))


def failure_report(failure: Failure) -> StepReport:
    """Return the report of an object or window that was not landed: no rows, and the reason."""
    facts = {GAP_FACT: failure.gap.detail}
    return StepReport(stage="land", subject=failure.subject, rows_in=0, rows_out=0, facts=facts)


def _note_gaps(ledger: Ledger, windows: Sequence[FetchedWindow], findings: PlanFindings) -> None:
    """Open and close gaps before watermarks move: a watermark must not pass a gap."""
    for failure in findings.failures:
        ledger.gaps.open(failure.gap)
    for window in windows:
        missing = shortfall(window.report)
        if missing:
            detail = shortfall_message(window.report)
            ledger.gaps.open(gap_of(window.planned, reason="short", detail=detail, missing_count=missing))
    ledger.gaps.close(lambda gap: _is_over(gap, windows, findings))


def _with_unread(report: StepReport, gaps: Sequence[Gap]) -> StepReport:
    """Add to the first report of an object what the next run reads again."""
    of_object = [gap for gap in gaps if report.subject.startswith(f"{gap.source}.{gap.object} ")]
    notes = [
        f"{gap.source}.{gap.object}: {gap.detail}; the next run reads {gap.window.label} again" for gap in of_object
    ]
    if not notes:
        return report
    return replace(report, facts={**report.facts, NOTES_FACT: [*report.facts.get(NOTES_FACT, ()), *notes]})


def _is_over(gap: Gap, windows: Iterable[FetchedWindow], findings: PlanFindings) -> bool:
    """Return whether the gap is closed: planning found it closed, or all of it is landed.

    A window staged by an earlier run can lack the very rows that opened the gap, so it closes none.
    """
    if gap.gap_id in findings.closed_gaps:
        return True
    landed = [
        window.planned
        for window in windows
        if (window.planned.source, window.planned.object) == (gap.source, gap.object)
        and not shortfall(window.report)
        and (not window.is_reused or gap.gap_id in window.planned.repairs)
    ]
    return covers(landed, gap)


def _by_object(placed: Iterable[_Placed]) -> list[list[_Placed]]:
    def object_of(item: _Placed) -> tuple[str, str]:
        return item[1].planned.source, item[1].planned.object

    return [list(group) for _, group in groupby(sorted(placed, key=object_of), key=object_of)]


def _message(windows: Sequence[FetchedWindow], findings: PlanFindings) -> str:
    if not windows:
        return f"land nothing: {len(findings.failures)} failed"
    planned = [window.planned for window in windows]
    objects = ", ".join(sorted({f"{one.source}.{one.object}" for one in planned}))
    labels = sorted({one.label for one in planned})
    return f"land {objects} {labels[0] if len(labels) == 1 else f'{labels[0]} to {labels[-1]}'}"


def _not_landed(lake: Lake, fetched: Sequence[FetchedWindow]) -> list[_Placed]:
    """Leave out windows all of whose files are landed.

    A window without files is compared row by row, and so is one that repairs a gap: its files were landed, but not all
    of their rows.
    """
    states = read_states(lake) if fetched else {}

    def is_landed(planned: PlannedWindow) -> bool:
        known = states.get((planned.source, planned.object), ObjectState()).parts
        return bool(planned.parts) and all(
            part.fingerprint in {one.fingerprint for one in known.get(part.path, ())} for part in planned.parts
        )

    return [
        (place, window)
        for place, window in enumerate(fetched)
        if window.planned.repairs or not is_landed(window.planned)
    ]
