"""Post to an endpoint over verified TLS 1.3, and read its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from dataflow.access.catalogue import is_this_machine
from dataflow.connect.https import VerifiedAdapter
from dataflow.connect.tls import Peer, explain_connection
from dataflow.errors import ConfigurationError
from dataflow.sinks.events.channel import NotTaken

AGAIN = frozenset({408, 425, 429, *range(500, 600)})
"""Answers after which the same request can succeed later."""
_TAKEN = range(200, 300)


def open_session(ca_file: str, *, setting: str) -> requests.Session:
    """Return a session that reaches HTTPS only, and plain HTTP on this machine; `setting` declares the endpoint.

    Raises: ConfigurationError.
    """
    session = requests.Session()
    session.trust_env = False  # A proxy of the environment or a .netrc must not override dataflow.toml.
    session.adapters.clear()
    session.mount("https://", VerifiedAdapter(ca_file, setting=f"{setting}.ca_file"))
    session.mount("http://", HTTPAdapter())
    # The adapter's context has the authorities; requests would load its own over them.
    session.verify = ca_file or True
    return session


def require_private(url: str, *, setting: str) -> None:
    """Raise ConfigurationError unless a URL is HTTPS, or HTTP to this machine, without user and password."""
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and is_this_machine(parts.hostname or "")
    if not parts.hostname or parts.username is not None or not (parts.scheme == "https" or is_local):
        raise ConfigurationError(
            f"{setting} is not an address that events are sent to.",
            next_move="Write https://host/…, without user and password; http:// is for a server on this machine only.",
        )


def post(
    session: requests.Session, url: str, body: bytes, *, headers: Mapping[str, str], timeout: float, setting: str
) -> None:
    """Post a body of JSON; an answer of 200 to 299 takes it. Its text is not read. Raises: NotTaken."""
    sent = {"Content-Type": "application/json", **headers}
    try:
        answer = session.post(url, data=body, headers=sent, timeout=timeout, allow_redirects=False, stream=True)
    except requests.RequestException as error:
        raise not_reached(error, setting=setting) from None
    # It can be of any size, and quote anything.
    answer.close()
    if answer.status_code not in _TAKEN:
        raise NotTaken(
            f"it answered {answer.status_code}",
            next_move=f"Correct the endpoint, or {setting}",
            can_pass=answer.status_code in AGAIN,
            wait_seconds=_asked_for(answer),
        )


def not_reached(error: BaseException, *, setting: str) -> NotTaken:
    """Return what a failed connection means."""
    failure = explain_connection(error, Peer(host=f"{setting}.to", ca_file=f"{setting}.ca_file"))
    if failure is None:
        return NotTaken(f"unexpected {type(error).__name__}", next_move="Run `dataflow doctor`.", can_pass=True)
    return NotTaken(failure.found, next_move=failure.next_move, can_pass=failure.kind.retryable)


def _asked_for(answer: Any) -> float | None:
    """Return the seconds that Retry-After asks for."""
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None
