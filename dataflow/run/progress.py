"""Announce the stages and windows of a run to a listener."""

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
    """`count` more windows are planned, or were fetched."""

    what: Literal["planned", "fetched"]
    count: int


Listener = Callable[[StageEvent | WindowEvent], None]

# Not an argument: an engine carries only plain values from the caller to a step.
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
    """Pass the event to the listener, if there is one."""
    listener = _listener.get()
    if listener is not None:
        listener(event)
