"""Retry a task when its error says that a retry can help, after the wait that the source asked for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Generic, ParamSpec, TypeVar

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from dataflow.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")

# Half of the delay: runs that failed together at a busy source do not retry together.
_JITTER = 0.5
# A source that asks for a longer wait is left for the next run, because the lake's lock is held meanwhile.
LONGEST_WAIT_SECONDS = 300.0


class Incomplete(Exception, Generic[R]):
    """A task did a part of its work, `result`; the rest failed with `errors`, of which some can be retried."""

    def __init__(self, result: R, errors: Sequence[Exception]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.result = result
        self.retryable = any(getattr(error, "retryable", False) for error in errors)
        waits = [float(getattr(error, "retry_after_seconds", None) or 0) for error in errors]
        self.retry_after_seconds = max(waits, default=0.0)


def can_retry(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001 (Prefect's signature)
    """Return whether a retry can help, after the wait that the source asked for."""
    error = state.result(raise_on_failure=False)
    wait_seconds = float(getattr(error, "retry_after_seconds", None) or 0)
    if not getattr(error, "retryable", False) or wait_seconds > LONGEST_WAIT_SECONDS:
        return False
    # Waits here, as Prefect's own delays are fixed before the error is known; its backoff is added.
    time.sleep(wait_seconds)
    return True


def with_retries(task: Task[P, R], settings: Settings, *, name: str | None = None) -> Task[P, R]:
    """Return the task with the retries of dataflow.toml: exponential backoff, jitter, only where a retry can help."""
    declared = settings.prefect
    return task.with_options(
        task_run_name=name,
        retries=declared.retries,
        retry_delay_seconds=exponential_backoff(declared.retry_delay_seconds),
        retry_jitter_factor=_JITTER,
        retry_condition_fn=can_retry,
    )


def result_or_part(answer: R | Exception) -> R:
    """Return the result of a task, or the part of it after the last try. Raises: any other error."""
    if isinstance(answer, Incomplete):
        part: R = answer.result
        return part
    if isinstance(answer, Exception):
        raise answer
    return answer
