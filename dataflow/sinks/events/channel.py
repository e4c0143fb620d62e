"""What every kind of endpoint shares: an event is sent until it is taken, again where that can help."""

from __future__ import annotations

import time
from typing import Protocol

from dataflow.errors import SinkError
from dataflow.sinks.events.event import PublicationEvent

_TRIES = 3
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 10.0


class NotTaken(Exception):
    """An endpoint did not take an event. `found` continues "it did not take the event: …".

    `can_pass`: the same call can succeed later. `wait_seconds` is what the endpoint asks for, if it does.
    """

    def __init__(self, found: str, *, next_move: str, can_pass: bool, wait_seconds: float | None = None) -> None:
        super().__init__(found)
        self.found, self.next_move = found, next_move
        self.can_pass, self.wait_seconds = can_pass, wait_seconds


class Channel(Protocol):
    """A connection to one endpoint."""

    def send(self, event: PublicationEvent) -> None:
        """Send one event, once. Raises: NotTaken; ConfigurationError."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


def deliver(channel: Channel, event: PublicationEvent, *, name: str) -> None:
    """Send one event until the endpoint takes it. Raises: SinkError."""
    wait = _FIRST_WAIT_SECONDS
    for left in reversed(range(_TRIES)):
        try:
            channel.send(event)
        except NotTaken as failure:
            if not left or not failure.can_pass:
                raise SinkError(
                    f"The endpoint {name} of [events] did not take publication {event.publication}: {failure.found}.",
                    next_move=f"{failure.next_move.rstrip('.')}; the next run sends what it has not had.",
                ) from None
            time.sleep(min(failure.wait_seconds or wait, _LONGEST_WAIT_SECONDS))
            wait *= 4
        else:
            return
