"""Fetching spread over processes of this or other machines: a file names the windows, another answers their outcome.

A worker needs the share's file, its own settings and the landing area, but no lake. A staged window carries its whole
report in its own file, which the committer reads instead of the answer; the answer adds which windows failed and why,
and that the share is finished. Files are written whole or not at all: a worker can crash, and another can be given the
same share.
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
from dataflow.sources import ByHash, KeyRange, Part, PlannedWindow, Window
from dataflow.workspace.staging import Run


@dataclass(frozen=True)
class Share:
    """Some windows of a run: names, times and counts, no rows and no secrets."""

    run: Run
    windows: tuple[PlannedWindow, ...]


def write_share(folder: Path, number: int, share: Share) -> None:
    """Write a share for the worker that fetches it."""
    write_whole(_share(folder, number), asdict(share))


def read_share(folder: Path, number: int) -> Share:
    """Read a share. Raises: ShareOver where it does not exist."""
    try:
        plain = json.loads(_share(folder, number).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ShareOver(
            f"There is no share {number} in {folder}: its run is over, or this machine cannot reach that folder.",
            next_move="Where runs and workers share a disk nothing is needed: the next run reads the windows.",
        ) from None
    run = Run(**{**plain["run"], "now": datetime.fromisoformat(plain["run"]["now"])})
    return Share(run, tuple(map(_planned, plain["windows"])))


def answer_share(folder: Path, number: int, share: Share, staged: Staged) -> None:
    """Write the outcome of each window of a share. Raises: OSError where the run is over."""
    ends: dict[PlannedWindow, dict[str, Any]] = {}
    for window in staged.fetched:
        ends[window.planned] = {"seconds": window.seconds, "is_reused": window.is_reused}
    for failure in staged.failures:
        assert failure.planned is not None
        ends[failure.planned] = {"error": _class_of(failure.error), "message": str(failure.error)}
    write_whole(_answer(folder, number), [ends[planned] for planned in share.windows])


def is_answered(folder: Path, number: int) -> bool:
    """Return whether the share is answered."""
    return _answer(folder, number).exists()


def collect_share(folder: Path, number: int, share: Share, settings: Settings, *, lost: DataFlowError) -> Staged:
    """Return the outcome of a share; without an answer, its staged windows, and the others as failed by `lost`."""
    answer: Sequence[Mapping[str, Any] | None] = [None] * len(share.windows)
    if is_answered(folder, number):
        answer = json.loads(_answer(folder, number).read_text(encoding="utf-8"))
    ends = zip(share.windows, answer, strict=True)
    return Staged.of([_end(planned, plain, share.run, settings, lost=lost) for planned, plain in ends])


def _end(
    planned: PlannedWindow, plain: Mapping[str, Any] | None, run: Run, settings: Settings, *, lost: DataFlowError
) -> FetchedWindow | Failure:
    def failed(error: DataFlowError) -> Failure:
        return Failure(planned.source, planned.object, error, planned)

    if plain is not None and "error" in plain:
        return failed(getattr(errors, plain["error"])(plain["message"]))
    window = take_up_staged(planned, settings, run)
    if plain is None:
        return window or failed(lost)
    if window is None:
        return failed(
            ConfigurationError(
                f"Fetching {planned.subject} in the pool: a worker staged it, but it is not in {settings.landing}.",
                next_move="Give the workers the run's own landing area, on a disk that they share.",
            )
        )
    return replace(window, seconds=plain["seconds"], is_reused=plain["is_reused"])


def _planned(plain: Mapping[str, Any]) -> PlannedWindow:
    """Build the window from the plain values that `asdict` and JSON made of it."""
    start, until = (datetime.fromisoformat(plain["window"][end]) for end in ("start", "until"))
    parts = [Part(**{**part, "modified_at": datetime.fromisoformat(part["modified_at"])}) for part in plain["parts"]]
    keys = KeyRange(**plain["keys"]) if plain["keys"] else None
    asked_at = datetime.fromisoformat(plain["asked_at"]) if plain["asked_at"] else None
    by_hash = plain.get("by_hash")
    whole = {
        "by_hash": by_hash and ByHash(**{**by_hash, **{one: tuple(by_hash[one]) for one in ("key_fields", "kinds")}}),
        "asked_at": asked_at,
        "window": Window(start, until),
        "parts": tuple(parts),
        "repairs": tuple(plain["repairs"]),
        "keys": keys,
    }
    return PlannedWindow(**{**plain, **whole})


def _class_of(error: Exception) -> str:
    """Return the nearest class of errors.py: the reader may not have imported an adapter's own class."""
    return next(cls.__name__ for cls in type(error).__mro__ if cls.__module__ == errors.__name__)


def share_name(number: int) -> str:
    """Return the name of the file that tells a worker its windows."""
    return f"share-{number}.json"


def answer_name(number: int) -> str:
    """Return the name of the file by which a worker answers."""
    return f"answer-{number}.json"


def _share(folder: Path, number: int) -> Path:
    return folder / share_name(number)


def _answer(folder: Path, number: int) -> Path:
    return folder / answer_name(number)
