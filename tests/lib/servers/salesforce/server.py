"""The simulator on a port: TLS 1.3, keep-alive, faults, and a control address for those outside the process."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from tests.lib.servers.salesforce.answers import Answer
from tests.lib.servers.salesforce.api import Api, Call
from tests.lib.servers.salesforce.bulk import Bulk
from tests.lib.servers.salesforce.control import control
from tests.lib.servers.salesforce.faults import Fault, Faults
from tests.lib.servers.salesforce.oauth import Door
from tests.lib.servers.salesforce.org import Org
from tests.lib.servers.salesforce.tls import Papers

DOMAIN = "acme.my.salesforce.com"
DRIP_SECONDS = 0.02
BOMB_BYTES = 4 * 1024**3
_BLANKS = 1024**2
CONTROL = "/simulator/"
_CONTENT_FAULTS = ("duplicate_page", "lost_row")


@dataclass
class Simulator:
    """A running simulator: its org to change, its faults to add, its counters to read."""

    org: Org
    api: Api
    bulk: Bulk
    door: Door
    faults: Faults
    port: int = 0
    ca_file: Path = Path()
    calls: list[str] = field(default_factory=list)
    """Method and path of every API call answered, sign-in and control left out."""
    before_call: Callable[[], None] | None = None
    """Something that happens in the org while a client is at work: called before each API call is answered."""

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[Answer, Fault | None]:
        """The answer, and the fault that its sending is to suffer."""
        call = Call.of(method, target, body)
        if call.path.startswith(CONTROL):
            return control(self, call), None
        if call.path == "/services/oauth2/token":
            return self._sign_in(headers, body)
        authorization = headers.get("authorization", "")
        self.calls.append(f"{method} {target}")
        if self.before_call is not None:
            self.before_call()
        fault = self.faults.take(target)
        if fault and fault.kind == "expired_session":
            self.door.expire(authorization)
        if not self.door.admits(authorization):
            return Answer.of_error(401, "INVALID_SESSION_ID", "Session expired or invalid"), None
        if self.api.used >= self.api.daily_calls:
            fault = Fault("daily_limit")
        refusal = _refusal(fault) if fault else None
        if refusal is not None:
            return refusal, None
        return self.api.answer(call, fault), fault

    def _sign_in(self, headers: dict[str, str], body: bytes) -> tuple[Answer, Fault | None]:
        fault = self.faults.take("/services/oauth2/token")
        refusal = _refusal(fault) if fault else None
        form = dict(parse_qsl(body.decode()))
        return refusal or self.door.sign_in(form, headers.get("authorization", "")), fault


def _refusal(fault: Fault) -> Answer | None:
    limit = "REQUEST_LIMIT_EXCEEDED"
    refusals: dict[str, Answer] = {
        "concurrent_limit": Answer.of_error(403, limit, "ConcurrentRequests (Concurrent API Requests) Limit exceeded."),
        "daily_limit": Answer.of_error(403, limit, "TotalRequests Limit exceeded."),
        "too_many": Answer.of_error(429, "TOO_MANY_REQUESTS", "slow down"),
        "server_error": Answer.of_error(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred. ErrorId: 1-1"),
        "unavailable": Answer.of_error(503, "SERVER_UNAVAILABLE", "Server is too busy"),
    }
    found = refusals.get(fault.kind)
    if found is not None and fault.retry_after is not None:
        found.headers["Retry-After"] = str(fault.retry_after)
    return found


def _bomb(body: bytes) -> bytes:
    """Blanks are allowed before JSON, so that only the limit tells the answer from another. Packed in pieces: quick."""
    blanks = gzip.compress(b" " * _BLANKS)
    return blanks * (BOMB_BYTES // _BLANKS) + gzip.compress(body)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle(self) -> None:
        # A client that goes away, or one that does not trust the certificate, is the client's affair.
        with suppress(OSError):
            super().handle()

    def do_GET(self) -> None:
        self._respond()

    do_POST = do_PATCH = do_DELETE = do_GET

    def log_message(self, *_: Any) -> None:
        pass

    def _respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer, fault = self.server.simulator.answer(self.command, self.path, headers, body)
        kind = fault.kind if fault and fault.kind not in _CONTENT_FAULTS else ""
        if kind == "bomb":
            answer = replace(answer, body=_bomb(answer.body), headers={**answer.headers, "Content-Encoding": "gzip"})
        self.send_response_only(answer.status)
        self.send_header("Date", format_datetime(self.server.simulator.org.clock.now(), usegmt=True))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if kind == "cut":
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.close_connection = True
            return
        if kind == "drip":
            for byte in answer.body:
                self.wfile.write(bytes([byte]))
                time.sleep(DRIP_SECONDS)
            return
        self.wfile.write(answer.body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], simulator: Simulator, context: ssl.SSLContext) -> None:
        super().__init__(address, _Handler)
        self.simulator = simulator
        self._context = context
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def get_request(self) -> tuple[socket.socket, Any]:
        plain, client = super().get_request()
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The handshake happens in the connection's own thread, on its first read: a client that says nothing holds
        # up nobody.
        wrapped = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open.add(wrapped)
        return wrapped, client

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        with suppress(OSError):
            super().shutdown_request(request)

    def handle_error(self, *_: Any) -> None:
        pass

    def close_connections(self) -> None:
        with self._lock:
            held = list(self._open)
        for one in held:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def simulator(
    papers: Papers,
    *,
    org: Org | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    page_rows: int = 2_000,
    newest_tls: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> Iterator[Simulator]:
    """Serve an org on a port (0: a free one) until the block ends. `newest_tls` below 1.3 is for refusals."""
    held = org or Org()
    bulk = Bulk(held)
    made = Simulator(held, Api(held, bulk, page_rows=page_rows), bulk, Door(DOMAIN), Faults(), ca_file=papers.ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(papers.certificate, papers.key)
    context.minimum_version = min(newest_tls, ssl.TLSVersion.TLSv1_3)
    context.maximum_version = newest_tls
    server = _Server((host, port), made, context)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.close_connections()
        server.server_close()
        thread.join()
