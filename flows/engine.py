"""How the steps of a run are executed: by Prefect where an API is set, else in this process alone.

The order of the steps and what they do is the same. In process nothing is started and nothing is recorded but what
DataFlow records itself (`ops.run`, the report page): Prefect's API and client cost 11 of the 35 CPU seconds of a run of
600 records (measured 2026-11-30).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Generic, Protocol, TypeVar

from dataflow.errors import ConfigurationError
from dataflow.run.record import RunOutcome
from dataflow.settings import Settings
from flows.retry import JITTER, can_retry

R = TypeVar("R")


@dataclass(frozen=True)
class Call(Generic[R]):
    """A step and its parameters, which are names, times and paths.

    `kind` is the task's name in Prefect, `name` that of this run of it; `windows` is how many it fetches.
    """

    kind: str
    step: Callable[..., R]
    parameters: dict[str, Any] = field(default_factory=dict)
    name: str | None = None
    is_retried: bool = True
    windows: int = 0


class Engine(Protocol):
    """Executes calls. `has_pools`: it can start runs of deployments, which work pools execute."""

    has_pools: bool

    def run(self, call: Call[R]) -> R:
        """Return the result of a call. Raises: its last error."""

    def run_all(
        self, calls: Sequence[Call[R]], *, workers: int, on_end: Callable[[Call[R]], None] = ...
    ) -> list[R | Exception]:
        """Execute calls, `workers` at a time; return the result or last error of each, in their order."""

    def progress(self, kind: str, *, steps: int) -> AbstractContextManager[Callable[[], None]]:
        """Show the progress of a run; the yielded function advances it by one of `steps`."""

    def post(self, outcome: RunOutcome) -> None:
        """Post the report of a run."""


def require_pools(engine: Engine, deployment: str, *, setting: str) -> None:
    """Raises: ConfigurationError when the setting names a deployment, but no Prefect API is set that could start it."""
    if not engine.has_pools:
        raise ConfigurationError(
            f"The setting {setting} names the deployment {deployment}, but PREFECT_API_URL is not set.",
            next_move=f"Set PREFECT_API_URL to the server that has the deployment, or clear {setting}.",
        )


def answer_of(engine: Engine, call: Call[R]) -> R | Exception:
    """Return the result of a call, or its last error."""
    return engine.run_all([call], workers=1)[0]


class InProcess:
    """Executes calls in this process, with the retries of dataflow.toml."""

    has_pools = False

    def __init__(self, settings: Settings) -> None:
        self._declared = settings.prefect

    def run(self, call: Call[R]) -> R:
        """Return the result of a call. Raises: its last error."""
        for attempt in count():
            try:
                return call.step(**call.parameters)
            except Exception as error:
                if not call.is_retried or attempt == self._declared.retries or not can_retry(error):
                    raise
                jitter = 1 + random.uniform(-JITTER, JITTER)
                time.sleep(self._declared.retry_delay_seconds * 2**attempt * jitter)
        raise AssertionError

    def run_all(
        self, calls: Sequence[Call[R]], *, workers: int, on_end: Callable[[Call[R]], None] = lambda _: None
    ) -> list[R | Exception]:
        """Execute calls, `workers` at a time; return the result or last error of each, in their order."""
        if len(calls) == 1:
            answers = [self._answer(calls[0])]
            on_end(calls[0])
            return answers
        with ThreadPoolExecutor(workers, thread_name_prefix="step") as threads:
            try:
                futures = {threads.submit(copy_context().run, self._answer, call): call for call in calls}
                for future in as_completed(futures):
                    on_end(futures[future])
                return [future.result() for future in futures]
            finally:
                # After Ctrl-C what has not started does not start.
                threads.shutdown(cancel_futures=True)

    def _answer(self, call: Call[R]) -> R | Exception:
        try:
            return self.run(call)
        except Exception as error:  # noqa: BLE001 (any error: the caller decides)
            return error

    @contextmanager
    def progress(self, kind: str, *, steps: int) -> Iterator[Callable[[], None]]:  # noqa: ARG002 (the protocol's)
        """Show nothing: the stages are announced to the listener of the process."""
        yield lambda: None

    def post(self, outcome: RunOutcome) -> None:
        """Post nothing: the page and `ops.run` have it."""
