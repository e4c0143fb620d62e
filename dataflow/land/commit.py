"""Add fetched windows to raw, with watermark, files and completeness, in one lake transaction.

The same window again changes nothing: a file that is landed is known by its fingerprint, and a row that is in raw by
its key, version and hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

import duckdb

from dataflow.land.fetch import FetchedWindow
from dataflow.land.landing import Landing, window_report
from dataflow.land.ledger import Ledger
from dataflow.land.plan import read_states
from dataflow.report import StepReport, measured
from dataflow.sources import ObjectState, PlannedWindow
from dataflow.workspace import Run
from lakehouse import Lake

_Placed = tuple[int, FetchedWindow]


def commit_window(lake: Lake, fetched: FetchedWindow, run: Run) -> StepReport:
    """Commit one fetched window in a transaction of its own. Raises: as `commit_windows`."""
    return commit_windows(lake, [fetched], run)[0]


def commit_windows(lake: Lake, fetched: Sequence[FetchedWindow], run: Run) -> list[StepReport]:
    """Commit fetched windows, of one object or of several, in one lake transaction: all of them or none.

    One commit for many windows saves what a commit costs (files for four tables, the readers' copy); a failure throws
    away only this step, since the windows stay in the landing area.
    Shape: one report per window, in their order: rows in = appended + merged (rows that raw or the window itself
    already holds). Rows that the reader could not shape are landed with `_defect` and counted in the facts.
    Raises: ConservationError when raw would not hold exactly the windows' versions afterwards; LakeError.
    """
    with measured() as watch:
        reports = {place: window_report(window, 0) for place, window in enumerate(fetched)}
        pending = _by_object(_not_landed(lake, fetched))

        def land(con: duckdb.DuckDBPyConnection) -> dict[int, StepReport]:
            ledger = Ledger(con, run)
            landed: dict[int, StepReport] = {}
            for group in pending:
                made = Landing(con, [window for _, window in group], run).land(ledger)
                landed |= dict(zip([place for place, _ in group], made, strict=True))
            ledger.write()
            return landed

        if pending:
            landed, _ = lake.transact(land, author="dataflow", run_id=run.run_id, message=_message(pending))
            reports |= landed
    share = watch.seconds / max(len(fetched), 1)
    return [replace(reports[place], seconds=fetched[place].seconds + share) for place in range(len(fetched))]


def _by_object(placed: Iterable[_Placed]) -> list[list[_Placed]]:
    def object_of(item: _Placed) -> tuple[str, str]:
        return item[1].planned.source, item[1].planned.object

    return [list(group) for _, group in groupby(sorted(placed, key=object_of), key=object_of)]


def _message(pending: Sequence[Sequence[_Placed]]) -> str:
    windows = [window.planned for group in pending for _, window in group]
    objects = ", ".join(sorted({f"{planned.source}.{planned.object}" for planned in windows}))
    labels = sorted({planned.window.label for planned in windows})
    return f"land {objects} {labels[0] if len(labels) == 1 else f'{labels[0]} to {labels[-1]}'}"


def _not_landed(lake: Lake, fetched: Sequence[FetchedWindow]) -> list[_Placed]:
    """Leave out windows all of whose files are in raw; a window without files is compared row by row instead."""
    states = read_states(lake) if fetched else {}

    def is_landed(planned: PlannedWindow) -> bool:
        known = states.get((planned.source, planned.object), ObjectState()).parts
        return bool(planned.parts) and all(
            part.fingerprint in {one.fingerprint for one in known.get(part.path, ())} for part in planned.parts
        )

    return [(place, window) for place, window in enumerate(fetched) if not is_landed(window.planned)]
