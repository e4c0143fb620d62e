"""Count the calls of this process to APIs with a daily budget, and how many are left: `follow` paces itself by them."""

from __future__ import annotations

import threading

_lock = threading.Lock()
_made = 0
_left: dict[str, int] = {}


def note_call() -> None:
    """Count a call that is about to be made."""
    global _made
    with _lock:
        _made += 1


def note_left(system: str, left: int) -> None:
    """Keep how many calls a system still allows DataFlow in the running 24 hours."""
    with _lock:
        _left[system] = left


def calls_made() -> int:
    """Return the number of calls of this process so far."""
    with _lock:
        return _made


def calls_left() -> int | None:
    """Return the calls that the system with the smallest budget still allows; None where none has a budget."""
    with _lock:
        return min(_left.values(), default=None)
