"""Answer errors with pages that say what happened and what to do next, never with a customer's value."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from dataflow.errors import AccessRefused, ConfigurationError, DataFlowError, UsageError
from dataflow.ui.site import Busy
from lakehouse import LakeError, LakeUnreachable


class NotFound(Exception):
    """What an address names does not exist; the message says what."""


@dataclass(frozen=True)
class Problem:
    """What a page of an error says."""

    status: int
    title: str
    sentence: str
    next_move: str = ""


def problem_of(error: Exception) -> Problem:
    """Return what to say of an error; of one that is not DataFlow's only that it happened."""
    if isinstance(error, DataFlowError):
        status, title = next(found for kind, found in _KINDS.items() if isinstance(error, kind))
        return Problem(status, title, error.message, error.next_move)
    if isinstance(error, NotFound):
        return Problem(404, "Not found", str(error))
    if isinstance(error, Busy):
        return Problem(503, "Many pages are being read", "There was no place for this one.", "Load it again.")
    if isinstance(error, LakeUnreachable):
        return Problem(503, "Nothing to read yet", str(error), "Run the pipeline first: `dataflow run`.")
    if isinstance(error, LakeError):
        return Problem(503, "The lake cannot be read", str(error))
    if isinstance(error, duckdb.InterruptException):
        return Problem(504, "This took too long", "The page was stopped.", "Ask for less.")
    return Problem(
        500,
        "Something went wrong here",
        f"An unexpected {type(error).__name__} ended the page. Nothing was changed.",
        "It is on record in the terminal that runs the workbench.",
    )


_KINDS: dict[type[DataFlowError], tuple[int, str]] = {
    AccessRefused: (403, "Not for this role"),
    UsageError: (400, "This cannot be done"),
    ConfigurationError: (500, "The configuration is not usable"),
    DataFlowError: (500, "This failed"),
}
