"""Tell whoever watches a run which stage it is in, and how far its windows are. Nobody watching costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class StageEvent:
    """A stage began or ended."""

    stage: str
    what: Literal["began", "ended"]


@dataclass(frozen=True)
class WindowEvent:
    """So many more windows are to be fetched, or are dealt with."""

    what: Literal["planned", "fetched"]
    count: int


Listener = Callable[[StageEvent | WindowEvent], None]

# Not an argument: a run passes through an orchestrator that carries only plain values from caller to step.
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def watched_by(listener: Listener) -> Iterator[None]:
    """Call `listener` for every stage of the runs started inside the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def announce(event: StageEvent | WindowEvent) -> None:
    """Tell the listener, if there is one."""
    listener = _listener.get()
    if listener is not None:
        listener(event)
