"""What a step did not foresee, told without a customer's value: the error's class and place, never its words."""

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
def telling_defects(stage: str) -> Iterator[None]:
    """Let the errors with words of their own pass, and turn any other into one that quotes no row.

    The original is the new error's `__context__`: for a terminal that asked for it, not for a log.
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
    except Exception as error:  # noqa: BLE001 (every unforeseen error ends here, and is told)
        raise StepDefect(
            f"{stage} failed: unexpected {type(error).__name__} at {place_of(error)}; nothing was published.",
            next_move="Run again with dataflow --debug to see it in full (it may show customer data).",
        ) from None


def place_of(error: BaseException) -> str:
    """File and line of our own code that the error came through last."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    if not frames:
        return "an unknown place"
    path = Path(frames[-1].filename)
    return f"{path.parent.name}/{path.name}:{frames[-1].lineno}"
