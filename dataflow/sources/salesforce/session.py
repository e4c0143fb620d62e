"""One session with the org: signs in when needed; budgets, times and retries each call.

simple-salesforce makes all its calls through this session: queries, describe, getDeleted and Bulk. The library itself
retries nothing, and in Bulk it does not notice an expired session.
"""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from simple_salesforce.login import SalesforceLogin
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from dataflow.errors import ConfigurationError, SourceMalformed, SourceRefused, SourceUnavailable
from dataflow.settings import SalesforceSettings
from dataflow.sources.salesforce.answers import (
    NotReached,
    SessionExpired,
    TryAgain,
    check,
    explain_failure,
    server_time,
)
from dataflow.sources.salesforce.budget import Budget
from dataflow.sources.salesforce.requests_body import TooLarge, read_body
from dataflow.sources.salesforce.transport import Transport

TOKEN_PATH = "/services/oauth2/token"
_SUFFIX = ".salesforce.com"
_LONGEST_WAIT_SECONDS = 60.0
_PATIENCE_SECONDS = 300.0
"""When a server asks for a longer pause than this, the run ends and can be repeated later."""
_TRIES_TO_REACH = 2
_REACH_SECONDS = 10.0
"""A server that takes longer than this to connect counts as unreachable."""
_SIGN_IN = "Signing in to Salesforce"
_TOO_LARGE = "Check where endpoint and proxy lead; if to the org, lower bulk_page_rows or declare fewer fields."


class OrgSession(requests.Session):  # type: ignore[misc] # requests ships no types
    """A session that recovers from failures of networks and Salesforce. Thread-safe."""

    def __init__(self, settings: SalesforceSettings) -> None:
        super().__init__()
        self.budget = Budget(settings.reserve_share, org=settings.endpoint)
        self.clock: datetime | None = None
        """Return when the org last answered, by its own clock."""
        self._settings = settings
        self._lock = threading.Lock()
        self._token = ""
        self._instance = ""
        self._wait = wait_random_exponential(multiplier=settings.backoff_seconds, max=_LONGEST_WAIT_SECONDS)
        self.trust_env = False  # A proxy of the environment or a .netrc must not override dataflow.toml.
        self.adapters.clear()  # No plain HTTP.
        self.mount("https://", Transport(settings))
        if settings.ca_file:
            self.verify = settings.ca_file
        if settings.proxy is not None:
            self.proxies = {"https": settings.proxy.get_secret_value()}

    def sign_in(self, *, instead_of: str = "") -> str:
        """Return a new token, or the one with which another thread has already replaced `instead_of`.

        Raises: SourceRefused for wrong credentials, SourceUnavailable.
        """
        with self._lock:
            if self._token == instead_of:
                self._token, self._instance = self._login()
            return self._token

    @property
    def instance(self) -> str:
        """Return the host that serves the org, as stated by the sign-in."""
        self.sign_in()
        return self._instance

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        """Make a call, with retries. Raises: as `answers.check`; SourceUnavailable after the last try."""
        path = urlsplit(str(url)).path
        doing = _SIGN_IN if path == TOKEN_PATH else f"Asking Salesforce for {_resource(path)}"
        retrying = Retrying(
            stop=self._has_tried_enough,
            wait=self._pause,
            retry=retry_if_exception_type(TryAgain),
            reraise=True,
        )
        try:
            return retrying(self._call, method, url, *args, doing=doing, **kwargs)
        except TryAgain as error:
            tries = retrying.statistics["attempt_number"]
            raise SourceUnavailable(f"{doing}: {error}, after {tries} tries.", next_move=error.next_move) from error

    def _call(self, method: Any, url: Any, *args: Any, doing: str, **kwargs: Any) -> requests.Response:
        if doing == _SIGN_IN:
            return self._send(method, url, *args, doing=doing, **kwargs)
        for _ in range(2):
            token = self.sign_in()
            kwargs["headers"] = {**(kwargs.get("headers") or {}), "Authorization": f"Bearer {token}"}
            self.budget.spend(doing=doing)
            try:
                return self._send(method, url, *args, doing=doing, **kwargs)
            except SessionExpired:
                self.sign_in(instead_of=token)
        raise TryAgain("a new session was refused as expired")

    def _send(self, method: Any, url: Any, *args: Any, doing: str, **kwargs: Any) -> requests.Response:
        # No redirects: the API sends none, and the token must not be sent to another host.
        patience = self._settings.timeout_seconds
        timeouts = (min(_REACH_SECONDS, patience), patience)
        wanted = {"timeout": timeouts, **kwargs, "stream": True, "allow_redirects": False}
        try:
            response = super().request(method, url, *args, **wanted)
            read_body(response, seconds=self._settings.answer_seconds)
        except TooLarge as error:
            raise SourceMalformed(f"{doing}: {error}.", next_move=_TOO_LARGE) from error
        except requests.RequestException as error:
            reached = self._settings.endpoint or urlsplit(str(url)).netloc
            raise explain_failure(error, doing=doing, host=reached) from error
        self.budget.note(response.headers.get("Sforce-Limit-Info"))
        self.clock = server_time(response) or self.clock
        if doing == _SIGN_IN and 400 <= response.status_code < 429:
            raise _sign_in_refusal(response)
        check(response, doing=doing)
        return response

    def _has_tried_enough(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        # A wrong address must be reported within seconds; a run retries by itself.
        most = _TRIES_TO_REACH if isinstance(error, NotReached) else self._settings.attempts
        return state.attempt_number >= most

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, TryAgain) else None
        if asked is not None and asked > _PATIENCE_SECONDS:
            raise SourceUnavailable(
                f"Asking Salesforce: {error}, and it asks for a pause of {asked:.0f} s.",
                next_move="Run again after that.",
            )
        return max(self._wait(state), asked or 0.0)

    def _login(self) -> tuple[str, str]:
        settings = self._settings
        domain = settings.domain.removesuffix(_SUFFIX)
        common: dict[str, Any] = {"session": self, "consumer_key": settings.client_id}
        if settings.client_secret is not None:
            found = SalesforceLogin(**common, domain=domain, consumer_secret=settings.client_secret.get_secret_value())
            return found[0], found[1].rstrip("/")
        # The assertion names the host that it is meant for; the org's own domain accepts it too.
        audience = "test" if domain == "test" or ".sandbox." in f"{domain}." else "login"
        found = SalesforceLogin(
            **common,
            domain=audience,
            instance_url=domain,
            username=settings.username,
            privatekey=_private_key(settings),
        )
        return found[0], found[1].rstrip("/")


def _private_key(settings: SalesforceSettings) -> str:
    if settings.private_key is not None:
        return settings.private_key.get_secret_value()
    try:
        return Path(settings.private_key_file).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"Reading the private key {settings.private_key_file}: {type(error).__name__}.",
            next_move="Name in private_key_file a PEM file that this user can read.",
        ) from None


def _sign_in_refusal(response: requests.Response) -> SourceRefused:
    try:
        answer = response.json()
        code = str(answer["error"])
        words = str(answer.get("error_description", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        code, words = f"HTTP {response.status_code}", ""
    if "approved" in words:
        fix = "Approve the connected app for the integration user (Manage Connected Apps: admin pre-authorised)."
    elif code == "invalid_client":
        fix = "Correct client_id and client_secret of the source in dataflow.toml."
    else:
        fix = "Check the connected app: client credentials flow with a run-as user, or the certificate for JWT bearer."
    return SourceRefused(f"{_SIGN_IN}: it was refused ({code}).", next_move=fix)


def _resource(path: str) -> str:
    """Return the resource of an address without identifiers: `Contact/describe`, `query`, `jobs/query`."""
    pieces = [piece for piece in path.split("/")[4:] if piece]
    words = [piece for piece in pieces if not any(letter.isdigit() for letter in piece) or piece.endswith("__c")]
    return "/".join(words[-2:]) or "its resources"
