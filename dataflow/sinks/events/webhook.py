"""Events to an HTTPS endpoint, signed."""

from __future__ import annotations

import hashlib
import hmac
import time

from dataflow.settings import EventSettings
from dataflow.sinks.events.event import PublicationEvent
from dataflow.sinks.events.https import open_session, post, require_private


class Webhook:
    """The endpoint at `to`, which knows the secret."""

    def __init__(self, endpoint: EventSettings, *, name: str) -> None:
        require_private(endpoint.to, setting=f"events.{name}.to")
        self._endpoint, self._setting = endpoint, f"events.{name}"
        self._session = open_session(endpoint.ca_file, setting=self._setting)

    def send(self, event: PublicationEvent) -> None:
        assert self._endpoint.secret is not None
        body, at = event.body(), int(time.time())
        signed = signature(body, secret=self._endpoint.secret.get_secret_value(), at=at)
        headers = {"DataFlow-Event-Id": event.event_id, "DataFlow-Signature": signed}
        seconds = self._endpoint.timeout_seconds
        post(self._session, self._endpoint.to, body, headers=headers, timeout=seconds, setting=self._setting)

    def close(self) -> None:
        self._session.close()


def signature(body: bytes, *, secret: str, at: int) -> str:
    """Return `t=SECONDS,v1=HEX`: HMAC-SHA256 of `SECONDS.BODY`, so that an event cannot be replayed later."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"
