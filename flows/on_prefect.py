"""Execute the steps of a run as Prefect tasks, and post its progress and report as artifacts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import exponential_backoff

from dataflow.run.record import RunOutcome
from dataflow.settings import Settings
from flows.artifacts import post_report, progress_artifact
from flows.engine import Call
from flows.retry import JITTER, can_retry

R = TypeVar("R")


class OnPrefect:
    """Executes each call as a task of the current flow run.

    Results stay in memory: a result of another run would be stale, and can hold customer data.
    """

    has_pools = True

    def __init__(self, settings: Settings) -> None:
        self._declared = settings.prefect

    def run(self, call: Call[R]) -> R:
        """Return the result of a call. Raises: its last error."""
        result: R = self._task(call)(**call.parameters)
        return result

    def run_all(
        self, calls: Sequence[Call[R]], *, workers: int, on_end: Callable[[Call[R]], None] = lambda _: None
    ) -> list[R | Exception]:
        """Execute calls, `workers` at a time; return the result or last error of each, in their order."""
        if len(calls) == 1:
            state: State[R] = self._task(calls[0])(**calls[0].parameters, return_state=True)
            on_end(calls[0])
            return [state.result(raise_on_failure=False)]
        with ThreadPoolTaskRunner[Any](max_workers=workers) as runner:
            futures: dict[PrefectFuture[R], Call[R]] = {
                runner.submit(self._task(call), parameters=call.parameters): call for call in calls
            }
            for future in as_completed(list(futures)):
                on_end(futures[future])
            return [future.result(raise_on_failure=False) for future in futures]

    def progress(self, kind: str, *, steps: int) -> AbstractContextManager[Callable[[], None]]:
        """Show the progress of a run as an artifact."""
        return progress_artifact(kind, steps=steps)

    def post(self, outcome: RunOutcome) -> None:
        """Post the report of a run as artifacts."""
        post_report(outcome)

    def _task(self, call: Call[R]) -> Task[..., R]:
        named = task(name=call.kind, task_run_name=call.name, cache_policy=NO_CACHE, persist_result=False)
        made: Task[..., R] = named(call.step)
        if not call.is_retried:
            return made
        return made.with_options(
            retries=self._declared.retries,
            retry_delay_seconds=exponential_backoff(self._declared.retry_delay_seconds),
            retry_jitter_factor=JITTER,
            retry_condition_fn=_can_retry,
        )


def _can_retry(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001 (Prefect's signature)
    # Waits here, as Prefect's own delays are fixed before the error is known.
    return can_retry(state.result(raise_on_failure=False))
