"""Send an event to an endpoint over TLS 1.3, again where that can help."""

from __future__ import annotations

import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from dataflow.connect.tls import Peer, explain_connection, tls_context
from dataflow.errors import SinkError
from dataflow.settings import WebhookSettings
from dataflow.sinks.webhook.event import PublicationEvent, signature

_TRIES = 3
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 10.0
_TAKEN = range(200, 300)
_AGAIN = frozenset({408, 425, 429, *range(500, 600)})


class _Verified(HTTPAdapter):  # type: ignore[misc] # requests ships no types
    """HTTPS by TLS 1.3 alone, with the certificate verified."""

    def __init__(self, ca_file: str, *, setting: str) -> None:
        self._context = tls_context(ca_file, setting=setting)
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=self._context, **options)


def open_session(endpoint: WebhookSettings, *, setting: str) -> requests.Session:
    """Return a session that reaches nothing but HTTPS. Raises: ConfigurationError."""
    session = requests.Session()
    session.trust_env = False  # A proxy of the environment or a .netrc must not override dataflow.toml.
    session.adapters.clear()
    session.mount("https://", _Verified(endpoint.ca_file, setting=f"{setting}.ca_file"))
    # The adapter's context has the authorities; requests would load its own over them.
    session.verify = endpoint.ca_file or True
    return session


def deliver(session: requests.Session, event: PublicationEvent, endpoint: WebhookSettings, *, name: str) -> None:
    """Send one event until the endpoint takes it. Raises: SinkError."""
    body = event.body()
    wait = _FIRST_WAIT_SECONDS
    for left in reversed(range(_TRIES)):
        at = int(time.time())
        headers = {"Content-Type": "application/json", "DataFlow-Event-Id": event.event_id}
        headers["DataFlow-Signature"] = signature(body, secret=endpoint.secret.get_secret_value(), at=at)
        try:
            answer = session.post(
                endpoint.url, data=body, headers=headers, timeout=endpoint.timeout_seconds, allow_redirects=False
            )
        except requests.RequestException as error:
            failure = explain_connection(error, Peer(host=f"webhooks.{name}.url", ca_file=f"webhooks.{name}.ca_file"))
            found = failure.found if failure else f"unexpected {type(error).__name__}"
            next_move = failure.next_move if failure else "Run `dataflow doctor`."
            can_pass = failure is None or failure.kind.retryable
        else:
            # Its text is not read: an answer can be of any size, and quote anything.
            answer.close()
            if answer.status_code in _TAKEN:
                return
            found = f"it answered {answer.status_code}"
            next_move = "Correct the endpoint, or webhooks." + name
            can_pass = answer.status_code in _AGAIN
            wait = _asked_for(answer) or wait
        if not left or not can_pass:
            raise SinkError(
                f"The webhook {name} did not take publication {event.publication}: {found}.",
                next_move=f"{next_move.rstrip('.')}; the next run sends what it has not had.",
            )
        time.sleep(min(wait, _LONGEST_WAIT_SECONDS))
        wait *= 4


def _asked_for(answer: Any) -> float | None:
    """Return the seconds that Retry-After asks for."""
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None
