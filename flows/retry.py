"""Retry a step when its error says that a retry can help, after the wait that the source asked for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

R = TypeVar("R")

# Half of the delay: runs that failed together at a busy source do not retry together.
JITTER = 0.5
# A source that asks for a longer wait is left for the next run, because the lake's lock is held meanwhile.
LONGEST_WAIT_SECONDS = 300.0


class Incomplete(Exception, Generic[R]):
    """A step did a part of its work, `result`; the rest failed with `errors`, of which some can be retried."""

    def __init__(self, result: R, errors: Sequence[Exception]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.result = result
        self.retryable = any(getattr(error, "retryable", False) for error in errors)
        waits = [float(getattr(error, "retry_after_seconds", None) or 0) for error in errors]
        self.retry_after_seconds = max(waits, default=0.0)


def can_retry(error: Any) -> bool:
    """Return whether a retry can help, after the wait that the source asked for; the backoff is added by the engine."""
    wait_seconds = float(getattr(error, "retry_after_seconds", None) or 0)
    if not getattr(error, "retryable", False) or wait_seconds > LONGEST_WAIT_SECONDS:
        return False
    time.sleep(wait_seconds)
    return True


def result_or_part(answer: R | Exception) -> R:
    """Return the result of a step, or the part of it after the last try. Raises: any other error."""
    if isinstance(answer, Incomplete):
        part: R = answer.result
        return part
    if isinstance(answer, Exception):
        raise answer
    return answer
