"""A machine's role: an endpoint that hands out short-lived keys, as ECS does; a bucket refuses expired ones."""

from __future__ import annotations

import http.client
import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.lib.servers.s3 import S3Server

LIFE_SECONDS = 60
_EXPIRED = b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code><Message>The token has expired.</Message></Error>"
_SIGNED = ("host", "authorization", "content-length", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token")
_HOP = ("connection", "transfer-encoding", "content-length")


class RoleServer:
    """Hands out keys at `/keys`, and passes all else on to an S3 server if its token is one of those handed out.

    Keys expire after LIFE_SECONDS, or at once by `expire`. `issued`: how many were handed out; `refused`: requests with
    an expired or unknown token.
    """

    def __init__(self, s3: S3Server) -> None:
        self.s3 = s3
        self.issued = 0
        self.refused = 0
        self._ends: dict[str, datetime] = {}
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self._http.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """What ECS puts into the environment of a task."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{self.endpoint}/keys",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def expire(self) -> None:
        """End the life of all keys handed out until now."""
        with self._lock:
            self._ends.clear()

    def issue(self) -> bytes:
        token, end = secrets.token_hex(16), datetime.now(UTC) + timedelta(seconds=LIFE_SECONDS)
        with self._lock:
            self.issued += 1
            self._ends[token] = end
        keys = {"AccessKeyId": self.s3.key_id, "SecretAccessKey": self.s3.secret, "Token": token}
        return json.dumps({**keys, "Expiration": f"{end:%Y-%m-%dT%H:%M:%SZ}"}).encode()

    def is_valid(self, token: str) -> bool:
        with self._lock:
            valid = self._ends.get(token, datetime.min.replace(tzinfo=UTC)) > datetime.now(UTC)
            self.refused += not valid
        return valid

    def signed(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers of a request signed anew: the S3 server knows keys without a token only."""
        kept = {name: value for name, value in headers.items() if name.lower() not in _SIGNED}
        request = AWSRequest(method=method, url=f"http://{self.s3.endpoint}{path}", data=body, headers=kept)
        S3SigV4Auth(Credentials(self.s3.key_id, self.s3.secret), "s3", "us-east-1").add_auth(request)
        return dict(request.headers.items())

    @contextmanager
    def running(self) -> Iterator[RoleServer]:
        thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            self._http.server_close()


def _handler(role: RoleServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            if self.path == "/keys":
                return self._send(200, {"Content-Type": "application/json"}, role.issue())
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if not role.is_valid(self.headers.get("X-Amz-Security-Token", "")):
                return self._send(400, {"Content-Type": "application/xml"}, _EXPIRED)
            server = http.client.HTTPConnection(role.s3.endpoint, timeout=60)
            try:
                server.request(self.command, self.path, body, role.signed(self.command, self.path, body, self.headers))
                got = server.getresponse()
                headers = {name: value for name, value in got.getheaders() if name.lower() not in _HOP}
                length = got.getheader("Content-Length")
                return self._send(got.status, headers, got.read(), length=length)
            finally:
                server.close()

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

        def _send(self, status: int, headers: dict[str, str], body: bytes, *, length: str | None = None) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", length or str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
