"""Connect to BigQuery over verified TLS 1.3, call it within a deadline, and say what its errors mean."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from dataflow.access.catalogue import is_this_machine
from dataflow.connect.https import VerifiedAdapter
from dataflow.connect.tls import Peer, explain_connection
from dataflow.errors import ConfigurationError, SinkError, SinkTimeout

if TYPE_CHECKING:
    from dataflow.settings import Settings

_EXTRA = "`pip install 'dataflow[gcp]'` installs it."
_SCOPE = "https://www.googleapis.com/auth/bigquery"
_SCOPE_OF_TAGS = "https://www.googleapis.com/auth/cloud-platform"
"""The narrowest scope with which rights on policy tags are read and given."""
_HOSTS = {"bigquery": "https://bigquery.googleapis.com", "datacatalog": "https://datacatalog.googleapis.com"}
_REQUEST_SECONDS = 60.0
"""How long one request may take; an upload writes and reads within it many times."""
_TRIES = 5
_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 10.0
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_BUSY = ("rateLimitExceeded", "backendError", "internalError", "jobBackendError", "jobInternalError")

_RIGHTS = "Give the publisher's account roles/bigquery.dataOwner on the datasets and roles/bigquery.jobUser."

T = TypeVar("T")


class Connection:
    """A client of BigQuery and the time that is left for it.

    Every request has a timeout, and is repeated here and nowhere else: the library's own retries last ten minutes.
    """

    def __init__(self, settings: Settings, *, seconds: float) -> None:
        self._settings = settings
        self._deadline = time.monotonic() + seconds
        self.location = settings.warehouse.bigquery.location
        self.client = _open(settings)
        endpoint = settings.warehouse.bigquery.endpoint
        # A server on this machine stands for all of Google's; a private endpoint has BigQuery alone.
        self._hosts = dict.fromkeys(_HOSTS, endpoint) if endpoint.startswith("http:") else dict(_HOSTS)
        self._hosts["bigquery"] = endpoint or _HOSTS["bigquery"]

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def call(self, doing: str, request: Callable[[float], T]) -> T:
        """Return what the request returns, which gets its timeout; repeat it where that can help.

        Raises: SinkError, SinkTimeout; NotFound and Conflict of google.api_core are passed on.
        """
        from google.api_core.exceptions import Conflict, GoogleAPICallError, NotFound

        wait = _FIRST_WAIT_SECONDS
        for left in reversed(range(_TRIES)):
            try:
                return request(self.timeout(doing))
            except (NotFound, Conflict):
                raise
            except Exception as error:
                is_google = isinstance(error, GoogleAPICallError)
                if not is_google and not _is_of_connection(error):
                    raise
                if not left or not _helps(error):
                    raise self.explain(doing, error) from None
                self.sleep(doing, random.uniform(wait / 2, wait))
                wait = min(wait * 3, _LONGEST_WAIT_SECONDS)
        raise AssertionError("unreachable")

    def ask(self, doing: str, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the client, as `call` does."""
        return self.call(
            doing,
            lambda seconds: getattr(self.client, method)(*arguments, retry=None, timeout=seconds, **options),
        )

    def list_all(self, doing: str, method: str, *arguments: Any, **options: Any) -> list[Any]:
        """Return all that a listing method of the client yields; one that fails in between is begun anew."""
        return self.call(
            doing,
            lambda seconds: list(getattr(self.client, method)(*arguments, retry=None, timeout=seconds, **options)),
        )

    def find(self, doing: str, method: str, *arguments: Any, **options: Any) -> Any:
        """Return what `ask` does; None for what is not there."""
        from google.api_core.exceptions import NotFound

        try:
            return self.ask(doing, method, *arguments, **options)
        except NotFound:
            return None

    def send(
        self, doing: str, verb: str, path: str, body: Mapping[str, Any] | None = None, *, service: str = "bigquery"
    ) -> dict[str, Any]:
        """Send a request for which the client has no method; return the answer's body.

        Raises: SinkError, SinkTimeout; NotFound and Conflict are passed on.
        """
        from google.api_core.exceptions import from_http_response

        def request(seconds: float) -> dict[str, Any]:
            url = f"{self._hosts[service].rstrip('/')}/{path}"
            answer = self.client._http.request(verb, url, json=body, timeout=seconds)
            if not answer.ok:
                raise from_http_response(answer)  # type: ignore[no-untyped-call]
            return dict(answer.json()) if answer.content else {}

        return self.call(doing, request)

    def timeout(self, doing: str) -> float:
        """Return the seconds that the next request may take. Raises: SinkTimeout where none are left."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise SinkTimeout(
                f"{doing}: BigQuery was not done within {self._settings.sinks.timeout_seconds:g} s "
                "(sinks.timeout_seconds).",
                next_move="The warehouse is as it was. Raise the setting; the next run goes on.",
            )
        return min(left, _REQUEST_SECONDS)

    def sleep(self, doing: str, seconds: float) -> None:
        """Wait, at most until the deadline. Raises: SinkTimeout at the deadline."""
        time.sleep(min(seconds, max(self._deadline - time.monotonic(), 0)))
        self.timeout(doing)

    def explain(self, doing: str, error: BaseException) -> SinkError:
        """Return what an error of BigQuery or of the connection means. Its text can quote a row and is left out."""
        place = f"{self._settings.warehouse.bigquery.project}.{self._settings.warehouse.bigquery.dataset}"
        found, next_move = meaning(error)
        return SinkError(f"{doing} in BigQuery {place}: {found}.", next_move=next_move)


def meaning(error: BaseException) -> tuple[str, str]:
    """Return what an error says, without its text, and the next move."""
    code, reason = getattr(error, "code", None), _reason(error)
    if code is not None:
        return meaning_of_reason(reason, int(code))
    failure = explain_connection(error, Peer(host="warehouse.bigquery.endpoint", ca_file="the system's authorities"))
    if failure is not None:
        return failure.found, failure.next_move
    return f"unexpected {type(error).__name__}", "Run `dataflow doctor`, which probes it; the next run goes on."


def meaning_of_reason(reason: str, code: int | None = None) -> tuple[str, str]:
    """Return what a reason of BigQuery's errors means, and the next move."""
    if reason in ("quotaExceeded", "billingTierLimitExceeded"):
        return f"a quota is used up ({reason})", "Wait for the quota or have it raised; the next run goes on."
    if code == 429 or reason == "rateLimitExceeded":
        return "it is asked too often (429)", "Run again later."
    if reason == "bytesBilledLimitExceeded":
        return "a statement would read more than allowed", "Raise warehouse.bigquery.maximum_bytes_billed."
    if code in (401, 403) or reason == "accessDenied":
        return f"access is refused ({code or reason})", _RIGHTS
    said = " ".join(str(part) for part in (code, reason) if part)
    return f"it answers {said}", "Run again; `dataflow doctor` probes it."


def _helps(error: BaseException) -> bool:
    """Return whether the same request can succeed in a few seconds."""
    code, reason = getattr(error, "code", None), _reason(error)
    return code is None or (int(code) in _AGAIN and reason != "quotaExceeded") or reason in _BUSY


def _reason(error: BaseException) -> str:
    errors = getattr(error, "errors", None) or [{}]
    first = errors[0]
    return str(first.get("reason", "")) if isinstance(first, dict) else ""


def _is_of_connection(error: BaseException) -> bool:
    import requests
    from google.auth.exceptions import GoogleAuthError

    return isinstance(error, requests.RequestException | GoogleAuthError | OSError)


def _open(settings: Settings) -> Any:
    declared = settings.warehouse.bigquery
    try:
        import google.auth
        from google.api_core.client_options import ClientOptions
        from google.auth.credentials import AnonymousCredentials
        from google.auth.exceptions import GoogleAuthError
        from google.cloud import bigquery
    except ImportError:
        raise ConfigurationError("The package google-cloud-bigquery is not installed.", next_move=_EXTRA) from None
    is_plain = _check_endpoint(declared.endpoint)
    scopes = [_SCOPE, *([_SCOPE_OF_TAGS] if declared.policy_tags else ())]
    try:
        if is_plain and not declared.credentials:
            credentials: Any = AnonymousCredentials()  # type: ignore[no-untyped-call]
        elif declared.credentials:
            credentials, _ = google.auth.load_credentials_from_file(declared.credentials, scopes=scopes)  # type: ignore[no-untyped-call]
        else:
            credentials, _ = google.auth.default(scopes=scopes)
    except (GoogleAuthError, OSError) as error:
        raise ConfigurationError(
            f"The credentials of BigQuery cannot be used: {type(error).__name__}.",
            next_move="Name a key file in warehouse.bigquery.credentials, or run where Google's default ones exist.",
        ) from None
    options = ClientOptions(api_endpoint=declared.endpoint) if declared.endpoint else None
    client = bigquery.Client(
        project=declared.project, credentials=credentials, client_options=options, location=declared.location
    )
    client._http.mount("https://", VerifiedAdapter(setting="warehouse.bigquery"))
    return client


def _check_endpoint(endpoint: str) -> bool:
    """Return whether the endpoint is plain HTTP. Raises: ConfigurationError where that is not this machine."""
    parts = urlsplit(endpoint)
    if not endpoint or parts.scheme == "https":
        return False
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigurationError("warehouse.bigquery.endpoint is not an address.", next_move="Write it as https://host")
    if not is_this_machine(parts.hostname):
        raise ConfigurationError(
            f"warehouse.bigquery.endpoint sends customers to {parts.hostname} in the clear.",
            next_move="Write https://; http:// is for a server on this machine only.",
        )
    return True
