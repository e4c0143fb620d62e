"""Stage many windows one by one; a failed window does not stop the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from dataflow.errors import DataFlowError
from dataflow.land.fetch import FetchedWindow, fetch_window
from dataflow.land.gaps import Failure
from dataflow.settings import Settings
from dataflow.sources import PlannedWindow
from dataflow.workspace.defects import wrapping_defects
from dataflow.workspace.staging import Run


@dataclass(frozen=True)
class Staged:
    """The outcome of some windows: staged or failed. Names and counts, no rows."""

    fetched: tuple[FetchedWindow, ...] = ()
    failures: tuple[Failure, ...] = ()

    @classmethod
    def of(cls, ends: Iterable[FetchedWindow | Failure]) -> Self:
        """Separate the staged windows from the failures."""
        every = list(ends)
        fetched = tuple(end for end in every if isinstance(end, FetchedWindow))
        return cls(fetched, tuple(end for end in every if isinstance(end, Failure)))


def stage_windows(windows: Sequence[PlannedWindow], settings: Settings, run: Run) -> Staged:
    """Read windows into the landing area without touching the lake; a staged window is not read again.

    Raises: LakeUnwritable: every other window would raise it too.
    """
    return Staged.of([_stage(window, settings, run) for window in windows])


def _stage(window: PlannedWindow, settings: Settings, run: Run) -> FetchedWindow | Failure:
    try:
        with wrapping_defects(f"fetching {window.subject}"):
            return fetch_window(window, settings, run)
    except DataFlowError as error:
        return Failure(window.source, window.object, error, window)
