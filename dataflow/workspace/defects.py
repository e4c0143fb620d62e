"""Wrap unexpected errors of a step: the new error names class and place, never the message, which can hold data."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from dataflow.errors import DataFlowError, OutOfMemory, StepDefect
from lakehouse.errors import LakeError
from lakehouse.translate import translating


@contextmanager
def wrapping_defects(stage: str) -> Iterator[None]:
    """Re-raise DataFlow and lake errors; wrap any other in StepDefect without its message, which can contain data.

    The original stays as the new error's `__context__`: shown by --debug on a terminal, not written to a log.
    """
    try:
        with translating(f"In {stage}"):
            yield
    except (DataFlowError, LakeError):
        raise
    except (MemoryError, duckdb.OutOfMemoryException):
        raise OutOfMemory(
            f"{stage} ran out of memory; nothing was published.",
            next_move="Raise lake.memory_limit, lower lake.threads, or load fewer days at once with dataflow backfill.",
        ) from None
    except Exception as error:  # noqa: BLE001 (every unexpected error is wrapped here and reported)
        raise StepDefect(
            f"{stage} failed: unexpected {type(error).__name__} at {place_of(error)}; nothing was published.",
            next_move="Run again with dataflow --debug to see the whole error (it can show customer data).",
        ) from None


def place_of(error: BaseException) -> str:
    """Return file and line of the last frame outside installed packages."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    if not frames:
        return "an unknown place"
    path = Path(frames[-1].filename)
    return f"{path.parent.name}/{path.name}:{frames[-1].lineno}"
