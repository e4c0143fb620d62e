"""Fetching spread over processes, here or elsewhere: windows told by file, their ends answered by file.

Whoever fetches a share needs its file, settings of its own and the landing area, and no lake. A window that is staged
says all about itself in its own file, so the one who commits believes that and not the answer; an answer adds which
windows failed and why, and that the share is done with. Files are seen whole or not at all: a worker may die, and
another be given the same share.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from dataflow import errors
from dataflow.errors import ConfigurationError, DataFlowError, ShareOver
from dataflow.land.fetch import FetchedWindow, take_up_staged
from dataflow.land.gaps import Failure
from dataflow.land.heartbeats import write_whole
from dataflow.land.staging import Staged
from dataflow.settings import Settings
from dataflow.sources import KeyRange, Part, PlannedWindow, Window
from dataflow.workspace.staging import Run


@dataclass(frozen=True)
class Share:
    """Some windows of a run. Names, times and counts: no rows and no secrets."""

    run: Run
    windows: tuple[PlannedWindow, ...]


def write_share(folder: Path, number: int, share: Share) -> None:
    """Leave a share for whoever fetches it."""
    write_whole(_share(folder, number), asdict(share))


def read_share(folder: Path, number: int) -> Share:
    """Read a share. Raises: ShareOver where it is not there."""
    try:
        told = json.loads(_share(folder, number).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ShareOver(
            f"There is no share {number} in {folder}: its run is over, or this machine does not reach that folder.",
            next_move="Where runs and workers share their disk there is nothing to do: the next run reads its windows.",
        ) from None
    run = Run(**{**told["run"], "now": datetime.fromisoformat(told["run"]["now"])})
    return Share(run, tuple(map(_planned, told["windows"])))


def answer_share(folder: Path, number: int, share: Share, staged: Staged) -> None:
    """Say what became of each window of a share. Raises: OSError where the run is over."""
    ends: dict[PlannedWindow, dict[str, Any]] = {}
    for window in staged.fetched:
        ends[window.planned] = {"seconds": window.seconds, "is_reused": window.is_reused}
    for failure in staged.failures:
        assert failure.planned is not None
        ends[failure.planned] = {"error": _class_of(failure.error), "message": str(failure.error)}
    write_whole(_answer(folder, number), [ends[planned] for planned in share.windows])


def is_answered(folder: Path, number: int) -> bool:
    """Whether the share is done with."""
    return _answer(folder, number).exists()


def collect_share(folder: Path, number: int, share: Share, settings: Settings, *, lost: DataFlowError) -> Staged:
    """What became of a share; where nobody answered, its staged windows, and the others as `lost`."""
    answer: Sequence[Mapping[str, Any] | None] = [None] * len(share.windows)
    if is_answered(folder, number):
        answer = json.loads(_answer(folder, number).read_text(encoding="utf-8"))
    ends = zip(share.windows, answer, strict=True)
    return Staged.of([_end(planned, told, share.run, settings, lost=lost) for planned, told in ends])


def _end(
    planned: PlannedWindow, told: Mapping[str, Any] | None, run: Run, settings: Settings, *, lost: DataFlowError
) -> FetchedWindow | Failure:
    def failed(error: DataFlowError) -> Failure:
        return Failure(planned.source, planned.object, error, planned)

    if told is not None and "error" in told:
        return failed(getattr(errors, told["error"])(told["message"]))
    window = take_up_staged(planned, settings, run)
    if told is None:
        return window or failed(lost)
    if window is None:
        return failed(
            ConfigurationError(
                f"Fetching {planned.subject} in the pool: a worker staged it, and {settings.landing} has it not.",
                next_move="Give the workers the run's own landing area, on a disk that they share.",
            )
        )
    return replace(window, seconds=told["seconds"], is_reused=told["is_reused"])


def _planned(plain: Mapping[str, Any]) -> PlannedWindow:
    """The window that `asdict` and JSON made plain."""
    start, until = (datetime.fromisoformat(plain["window"][end]) for end in ("start", "until"))
    parts = [Part(**{**part, "modified_at": datetime.fromisoformat(part["modified_at"])}) for part in plain["parts"]]
    keys = KeyRange(**plain["keys"]) if plain["keys"] else None
    whole = {"window": Window(start, until), "parts": tuple(parts), "repairs": tuple(plain["repairs"]), "keys": keys}
    return PlannedWindow(**{**plain, **whole})


def _class_of(error: Exception) -> str:
    """The nearest class that every process knows: an adapter's own may not be imported where it is read."""
    return next(cls.__name__ for cls in type(error).__mro__ if cls.__module__ == errors.__name__)


def _share(folder: Path, number: int) -> Path:
    return folder / f"share-{number}.json"


def _answer(folder: Path, number: int) -> Path:
    return folder / f"answer-{number}.json"
