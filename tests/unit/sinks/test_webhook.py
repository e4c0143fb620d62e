"""Webhooks: each publication once at least, in order, signed, whatever the endpoint does."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dataflow.errors import SinkError
from dataflow.settings import Settings, WebhookSettings
from dataflow.sinks.webhook import delivery
from dataflow.sinks.webhook.webhook import Webhook
from tests.lib.servers.certificates import Certificates
from tests.lib.three_publications import Shop, open_shop

SECRET = "a-secret-of-the-tests"


@dataclass
class Endpoint:
    """A receiver over HTTPS. `answers` are its next answers, in turn; then it takes everything."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    had: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0
    hangs: threading.Event | None = None

    def numbers(self) -> list[int]:
        return [int(event["publication"]) for event in self.had]


@contextmanager
def endpoint(certificates: Certificates) -> Iterator[Endpoint]:
    receiver = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.requests += 1
            if receiver.hangs is not None:
                receiver.hangs.wait(10)
                return
            status = receiver.answers.pop(0) if receiver.answers else 204
            if status == 204:
                at, signed = self.headers["DataFlow-Signature"].removeprefix("t=").split(",v1=")
                expected = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
                assert hmac.compare_digest(signed, expected)
                event = json.loads(body)
                assert self.headers["DataFlow-Event-Id"] == event["id"]
                receiver.had.append(event)
            self.send_response(status)
            self.send_header("Location", "https://elsewhere.example/")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server.file, certificates.server.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    receiver.url = f"https://127.0.0.1:{server.server_address[1]}/hook"
    try:
        yield receiver
    finally:
        if receiver.hangs is not None:
            receiver.hangs.set()
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory.mktemp("shop")) as made:
        yield made


@pytest.fixture
def receiver(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setattr(delivery, "_FIRST_WAIT_SECONDS", 0.01)
    with endpoint(certificates) as made:
        yield made


def told(shop: Shop, home: Path, certificates: Certificates, **urls: str) -> Settings:
    """The shop's settings with these endpoints; what they have had is noted in `home`."""
    webhooks = {
        name: WebhookSettings.model_validate(
            {"url": url, "secret": SECRET, "ca_file": str(certificates.ca), "timeout_seconds": 0.5}
        )
        for name, url in urls.items()
    }
    return shop.settings.model_copy(update={"webhooks": webhooks, "home": home})


def test_each_publication_is_sent_once_in_order(
    shop: Shop, receiver: Endpoint, certificates: Certificates, tmp_path: Path
) -> None:
    settings = told(shop, tmp_path, certificates, crm=receiver.url)
    newest = max(day.number for day in shop.days)
    Webhook(settings).follow(shop.days[0])
    # Switched on after three publications, it begins with the newest.
    assert receiver.numbers() == [newest]
    [event] = receiver.had
    assert event["type"] == "dataflow.publication"
    assert event["lake_id"] == shop.lake.lake_id()
    assert "published.orders" in event["tables"]
    for day in shop.days:
        assert Webhook(settings).follow(day).rows_out == 0
    assert receiver.numbers() == [newest]
    shown = Webhook(settings).shows()
    assert shown is not None
    assert shown.publication == newest


def test_what_an_endpoint_missed_comes_with_the_next_run(
    shop: Shop, receiver: Endpoint, certificates: Certificates, tmp_path: Path
) -> None:
    settings = told(shop, tmp_path, certificates, crm=receiver.url)
    (tmp_path / "sinks").mkdir()
    had = {"publication": shop.days[0].number, "lake_id": shop.lake.lake_id()}
    (tmp_path / "sinks" / "webhook-crm.json").write_text(json.dumps(had))
    receiver.answers = [503, 429, 204, 500, 500, 500]
    with pytest.raises(SinkError, match=rf"did not take publication {shop.days[2].number}: it answered 500"):
        Webhook(settings).follow(shop.days[2])
    assert receiver.numbers() == [shop.days[1].number]
    Webhook(settings).follow(shop.days[2])
    assert receiver.numbers() == [day.number for day in shop.days[1:3]]


def test_one_that_fails_keeps_none_of_the_others_from_theirs(
    shop: Shop, receiver: Endpoint, certificates: Certificates, tmp_path: Path
) -> None:
    settings = told(shop, tmp_path, certificates, broken="https://127.0.0.1:1/", crm=receiver.url)
    with pytest.raises(SinkError, match="The webhook broken did not take") as failed:
        Webhook(settings).follow(shop.days[2])
    assert "nothing listens there" in str(failed.value)
    assert SECRET not in str(failed.value)
    assert len(receiver.had) == 1
    assert Webhook(settings).shows() is None


@pytest.mark.parametrize("note", ["{", '{"publication": 1, "lake_id": "another"}'])
def test_a_note_that_is_damaged_or_of_another_lake_stops_its_own_endpoint_only(
    shop: Shop, receiver: Endpoint, certificates: Certificates, tmp_path: Path, note: str
) -> None:
    settings = told(shop, tmp_path, certificates, broken=receiver.url, crm=receiver.url)
    (tmp_path / "sinks").mkdir()
    (tmp_path / "sinks" / "webhook-broken.json").write_text(note)
    with pytest.raises(SinkError, match="broken"):
        Webhook(settings).follow(shop.days[2])
    assert len(receiver.had) == 1


@pytest.mark.parametrize("status", [302, 400, 401, 404, 410])
def test_a_refusal_is_not_repeated_and_a_redirect_is_not_followed(
    shop: Shop, receiver: Endpoint, certificates: Certificates, tmp_path: Path, status: int
) -> None:
    receiver.answers = [status]
    with pytest.raises(SinkError, match=f"it answered {status}"):
        Webhook(told(shop, tmp_path, certificates, crm=receiver.url)).follow(shop.days[2])
    assert (receiver.requests, receiver.had) == (1, [])


def test_one_that_hangs_is_given_up(shop: Shop, receiver: Endpoint, certificates: Certificates, tmp_path: Path) -> None:
    receiver.hangs = threading.Event()
    with pytest.raises(SinkError, match="does not answer in time"):
        Webhook(told(shop, tmp_path, certificates, crm=receiver.url)).follow(shop.days[2])
    assert receiver.requests == 3


def test_another_certificate_is_refused(
    shop: Shop, receiver: Endpoint, certificates: Certificates, tmp_path: Path
) -> None:
    settings = told(shop, tmp_path, certificates, crm=receiver.url)
    strange = settings.webhooks["crm"].model_copy(update={"ca_file": str(certificates.other_ca)})
    with pytest.raises(SinkError, match="certificate is not trusted"):
        Webhook(settings.model_copy(update={"webhooks": {"crm": strange}})).follow(shop.days[2])
    assert receiver.requests == 0


def test_another_lake_is_refused_until_it_is_adopted(
    shop: Shop, receiver: Endpoint, certificates: Certificates, tmp_path: Path
) -> None:
    settings = told(shop, tmp_path, certificates, crm=receiver.url)
    (tmp_path / "sinks").mkdir()
    (tmp_path / "sinks" / "webhook-crm.json").write_text('{"publication": 1, "lake_id": "another"}')
    with pytest.raises(SinkError, match="of another lake"):
        Webhook(settings).follow(shop.days[2])
    Webhook(settings).clear()
    Webhook(settings).follow(shop.days[2])
    assert len(receiver.had) == 1
    (tmp_path / "sinks" / "webhook-crm.json").write_text("{")
    with pytest.raises(SinkError, match="cannot be read"):
        Webhook(settings).follow(shop.days[2])


@pytest.mark.parametrize("url", ["http://example.org/hook", "https://me:secret@example.org/", "ftp://example.org"])
def test_an_address_without_tls_or_with_a_password_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        WebhookSettings.model_validate({"url": url, "secret": SECRET})
