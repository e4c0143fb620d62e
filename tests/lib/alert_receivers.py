"""Receivers of notifications over HTTPS on this machine: PagerDuty's Events API v2, Slack's webhook, a signed one."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from dataflow.settings import AlertSettings
from tests.lib.event_receivers import https_server
from tests.lib.servers.certificates import Certificates

KEY = "a-routing-key-of-the-tests"
SECRET = "a-secret-of-the-tests"
ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "error", "warning", "info")


@dataclass
class AlertReceiver:
    """A receiver of all three. `answers` are its next answers in turn; then it takes everything."""

    ca_file: str
    port: int = 0
    answers: list[int] = field(default_factory=list)
    had: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def pagerduty(self, **more: Any) -> AlertSettings:
        """PagerDuty as dataflow.toml declares it."""
        return self._declared(kind="pagerduty", to=self.url, secret=KEY, **more)

    def slack(self, **more: Any) -> AlertSettings:
        """Slack as dataflow.toml declares it."""
        return self._declared(kind="slack", secret=f"{self.url}/services/T0/B0/{SECRET}", **more)

    def webhook(self, **more: Any) -> AlertSettings:
        """A webhook as dataflow.toml declares it."""
        return self._declared(kind="webhook", to=f"{self.url}/hook", secret=SECRET, **more)

    def _declared(self, **settings: Any) -> AlertSettings:
        return AlertSettings.model_validate({"ca_file": self.ca_file, "timeout_seconds": 5.0, **settings})

    def actions(self) -> list[str]:
        """What PagerDuty was told, in order."""
        return [one["event_action"] for one in self.had if "event_action" in one]


@contextmanager
def alert_receiver(certificates: Certificates) -> Iterator[AlertReceiver]:
    """Run a receiver until the block ends."""
    receiver = AlertReceiver(str(certificates.ca))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.requests += 1
            answer = receiver.answers.pop(0) if receiver.answers else 202
            if answer == 202:
                receiver.had.append(_read(self.path, body, self.headers))
            self.send_response(answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with https_server(Handler, certificates) as receiver.port:
        yield receiver


def _read(path: str, body: bytes, headers: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(body)
    if path == "/v2/enqueue":
        return _read_event(content)
    if path == "/hook":
        at, signed = headers["DataFlow-Signature"].removeprefix("t=").split(",v1=")
        expected = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(signed, expected)
        return content
    assert path == f"/services/T0/B0/{SECRET}"
    assert set(content) == {"text"}
    return content


def _read_event(event: dict[str, Any]) -> dict[str, Any]:
    """Check an event as https://developer.pagerduty.com/docs/send-alert-event states it."""
    assert event["routing_key"] == KEY
    assert event["event_action"] in ACTIONS
    assert 0 < len(event["dedup_key"]) <= 255
    if event["event_action"] == "trigger":
        payload = event["payload"]
        assert 0 < len(payload["summary"]) <= 1024
        assert payload["severity"] in SEVERITIES
        assert payload["source"]
        assert all(set(link) <= {"href", "text"} and link["href"] for link in event.get("links", ()))
    return event
