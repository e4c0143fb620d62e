"""When a task is tried again: when its error says that this can help."""

from __future__ import annotations

from typing import Any, ParamSpec, TypeVar

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from dataflow.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")

# Half of the delay: runs that failed together at a busy source do not come back together.
_JITTER = 0.5


def can_retry(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001 (Prefect's form)
    """Whether the error that ended a task may go away by itself."""
    return bool(getattr(state.result(raise_on_failure=False), "retryable", False))


def with_retries(task: Task[P, R], settings: Settings, *, name: str | None = None) -> Task[P, R]:
    """The task with the retries of dataflow.toml: exponential backoff, jitter, only where it can help."""
    declared = settings.prefect
    return task.with_options(
        task_run_name=name,
        retries=declared.retries,
        retry_delay_seconds=exponential_backoff(declared.retry_delay_seconds),
        retry_jitter_factor=_JITTER,
        retry_condition_fn=can_retry,
    )
