"""Stage many windows, one after the other: one that fails keeps no other from being staged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from dataflow.errors import ConfigurationError, DataFlowError, UsageError
from dataflow.land.fetch import FetchedWindow, fetch_window
from dataflow.land.gaps import Failure
from dataflow.settings import Settings
from dataflow.sources import PlannedWindow
from dataflow.workspace.defects import wrapping_defects
from dataflow.workspace.staging import Run


@dataclass(frozen=True)
class Staged:
    """What became of some windows: in the landing area, or why not. Names and counts, no rows."""

    fetched: tuple[FetchedWindow, ...] = ()
    failures: tuple[Failure, ...] = ()

    @classmethod
    def of(cls, ends: Iterable[FetchedWindow | Failure]) -> Self:
        """Tell those that are staged from those that are not."""
        every = list(ends)
        fetched = tuple(end for end in every if isinstance(end, FetchedWindow))
        return cls(fetched, tuple(end for end in every if isinstance(end, Failure)))


def stage_windows(windows: Sequence[PlannedWindow], settings: Settings, run: Run) -> Staged:
    """Read windows into the landing area; nothing touches the lake, and what is staged already is not read again.

    Raises: UsageError, ConfigurationError, LakeUnwritable, which no other window would escape.
    """
    return Staged.of([_stage(window, settings, run) for window in windows])


def _stage(window: PlannedWindow, settings: Settings, run: Run) -> FetchedWindow | Failure:
    try:
        with wrapping_defects(f"fetching {window.subject}"):
            return fetch_window(window, settings, run)
    except (UsageError, ConfigurationError):
        raise
    except DataFlowError as error:
        return Failure(window.source, window.object, error, window)
