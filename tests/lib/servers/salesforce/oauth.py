"""Who may in: connected apps with a secret, users with a certificate, and the sessions they were given."""

from __future__ import annotations

import base64
import binascii
import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import jwt

from tests.lib.servers.salesforce.answers import Answer

AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")


@dataclass
class Door:
    """The org's sign-in. `instance` is the host that a client is sent to."""

    instance: str
    client_id: str = "the-connected-app"
    client_secret: str = "its-secret"
    users: dict[str, str] = field(default_factory=dict)
    """User name to the public key (PEM) of its certificate."""
    logins: int = 0
    """Sessions given so far."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    _sessions: set[str] = field(default_factory=set)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def admits(self, authorization: str) -> bool:
        return authorization.removeprefix("Bearer ") in self._sessions

    def expire(self, authorization: str = "") -> None:
        """End one session, or all."""
        with self.lock:
            if authorization:
                self._sessions.discard(authorization.removeprefix("Bearer "))
            else:
                self._sessions.clear()

    def sign_in(self, form: Mapping[str, str], authorization: str) -> Answer:
        """Answer a token request."""
        grant = form.get("grant_type", "")
        if grant == "client_credentials":
            if self._app(form, authorization) != (self.client_id, self.client_secret):
                return _refused("invalid_client", "invalid client credentials")
        elif grant == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            fault = self._bearer_fault(form.get("assertion", ""))
            if fault:
                return _refused("invalid_grant", fault)
        else:
            return _refused("unsupported_grant_type", "grant type not supported")
        with self.lock:
            self.logins += 1
            token = f"00DQy0000000001!session-{next(self._numbers)}"
            self._sessions.add(token)
        url = f"https://{self.instance}"
        return Answer.of_json(
            {"access_token": token, "instance_url": url, "id": f"{url}/id/1", "token_type": "Bearer", "scope": "api"}
        )

    def _app(self, form: Mapping[str, str], authorization: str) -> tuple[str, str]:
        if not authorization.startswith("Basic "):
            return form.get("client_id", ""), form.get("client_secret", "")
        try:
            name, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return name, secret

    def _bearer_fault(self, assertion: str) -> str:
        try:
            user = jwt.decode(assertion, options={"verify_signature": False}).get("sub", "")
            key = self.users.get(user)
            if key is None:
                return "user hasn't approved this consumer"
            claims = jwt.decode(assertion, key, algorithms=["RS256"], audience=AUDIENCES)
        except jwt.InvalidTokenError:
            return "invalid assertion"
        return "" if claims.get("iss") == self.client_id else "invalid assertion"


def _refused(code: str, words: str) -> Answer:
    return Answer.of_json({"error": code, "error_description": words}, 400)
