"""Receivers of events over HTTPS on this machine: each kind of endpoint as its service answers one call."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dataflow.settings import EventSettings
from tests.lib.servers.certificates import Certificates

SECRET = "a-secret-of-the-tests"
KINDS = ("webhook", "prefect", "sns", "eventbridge", "pubsub")
TOPIC = "arn:aws:sns:eu-central-1:123456789012:publications"
_TOKEN = "a-token-of-the-tests"
_PATHS = {
    "webhook": "/hook",
    "prefect": "/api/events",
    "sns": "/",
    "eventbridge": "/",
    "pubsub": "/v1/projects/tests/topics/publications:publish",
}
_TAKEN = {
    "sns": b"<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>",
    "eventbridge": b'{"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}',
    "pubsub": b'{"messageIds": ["1"]}',
}

_REFUSED = {"sns": b"<ErrorResponse><Error><Code>Refused</Code></Error></ErrorResponse>"}


@dataclass
class Receiver:
    """A receiver of one kind. `answers` are its next answers, in turn, bytes for a body; then it takes everything."""

    kind: str
    port: int = 0
    answers: list[int | bytes] = field(default_factory=list)
    had: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0
    seconds: float = 0.0

    def numbers(self) -> list[int]:
        return [int(event["publication"]) for event in self.had]

    def settings(self, certificates: Certificates, folder: Path, *, port: int | None = None) -> EventSettings:
        """The endpoint as dataflow.toml declares it."""
        base = f"https://127.0.0.1:{port or self.port}"
        mine: dict[str, object] = {
            "webhook": {"to": f"{base}/hook", "secret": SECRET},
            "prefect": {"to": f"{base}/api", "secret": SECRET},
            "sns": {"to": TOPIC, "endpoint": base},
            "eventbridge": {"to": "publications", "region": "eu-central-1", "endpoint": base},
            "pubsub": {"to": "projects/tests/topics/publications", "endpoint": base},
        }[self.kind]
        if self.kind == "pubsub":
            mine |= {"credentials": str(_key_file(folder, token_uri=f"{base}/token"))}
        common = {"kind": self.kind, "ca_file": str(certificates.ca), "timeout_seconds": 0.5}
        return EventSettings.model_validate(common | mine)


@contextmanager
def receiver_of(kind: str, certificates: Certificates, *, port: int = 0) -> Iterator[Receiver]:
    """Run a receiver until the block ends."""
    receiver = Receiver(kind)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/token":
                assertion = parse_qs(body.decode())["assertion"][0]
                assert assertion.count(".") == 2
                self._answer(200, json.dumps({"access_token": _TOKEN, "expires_in": 3600}).encode())
                return
            assert self.path == _PATHS[kind]
            receiver.requests += 1
            time.sleep(receiver.seconds)
            answer = receiver.answers.pop(0) if receiver.answers else 200
            if answer == 200:
                receiver.had.append(_READ[kind](body, self.headers))
            if isinstance(answer, bytes):
                self._answer(200, answer)
            else:
                self._answer(answer, (_TAKEN if answer == 200 else _REFUSED).get(kind, b""))

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Location", "https://elsewhere.example/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with https_server(Handler, certificates, port=port) as receiver.port:
        yield receiver


@contextmanager
def https_server(handler: type[BaseHTTPRequestHandler], certificates: Certificates, *, port: int = 0) -> Iterator[int]:
    """Serve HTTPS on this machine until the block ends; yield the port."""
    server = _Quiet(("127.0.0.1", port), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server.file, certificates.server.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(ThreadingHTTPServer):
    """A client that has given up is not worth a stack trace."""

    def handle_error(self, *_: object) -> None:
        return


def _read_webhook(body: bytes, headers: Any) -> dict[str, Any]:
    at, signed = headers["DataFlow-Signature"].removeprefix("t=").split(",v1=")
    expected = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(signed, expected)
    event: dict[str, Any] = json.loads(body)
    assert headers["DataFlow-Event-Id"] == event["id"]
    return event


def _read_prefect(body: bytes, headers: Any) -> dict[str, Any]:
    assert headers["Authorization"] == f"Bearer {SECRET}"
    [event] = json.loads(body)
    payload: dict[str, Any] = event["payload"]
    assert event["event"] == "dataflow.publication"
    assert event["resource"]["prefect.resource.id"] == f"dataflow.lake.{payload['lake_id']}"
    return payload | {"uuid": str(uuid.UUID(event["id"]))}


def _read_sns(body: bytes, headers: Any) -> dict[str, Any]:
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    assert (form["Action"], form["TopicArn"]) == ("Publish", TOPIC)
    assert "/eu-central-1/sns/" in headers["Authorization"]
    event: dict[str, Any] = json.loads(form["Message"])
    assert event["id"] in form.values()
    return event


def _read_eventbridge(body: bytes, headers: Any) -> dict[str, Any]:
    assert headers["X-Amz-Target"] == "AWSEvents.PutEvents"
    [entry] = json.loads(body)["Entries"]
    assert (entry["Source"], entry["DetailType"]) == ("dataflow", "dataflow.publication")
    assert entry["EventBusName"] == "publications"
    event: dict[str, Any] = json.loads(entry["Detail"])
    return event


def _read_pubsub(body: bytes, headers: Any) -> dict[str, Any]:
    assert headers["Authorization"] == f"Bearer {_TOKEN}"
    [message] = json.loads(body)["messages"]
    event: dict[str, Any] = json.loads(base64.b64decode(message["data"]))
    assert message["attributes"] == {"id": event["id"], "type": event["type"]}
    assert message["orderingKey"] == event["lake_id"]
    return event


_READ: Mapping[str, Callable[[bytes, Any], dict[str, Any]]] = {
    "webhook": _read_webhook,
    "prefect": _read_prefect,
    "sns": _read_sns,
    "eventbridge": _read_eventbridge,
    "pubsub": _read_pubsub,
}


def _key_file(folder: Path, *, token_uri: str) -> Path:
    """Write the key file of a service account."""
    file = folder / "account.json"
    if not file.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        account = {"type": "service_account", "client_email": "tests@tests.example", "private_key": pem.decode()}
        file.write_text(json.dumps(account | {"token_uri": token_uri}))
    return file
