"""Map error answers of Salesforce: whether a retry can help, and who acts."""

from __future__ import annotations

import email.utils
from datetime import UTC, datetime

import requests

from dataflow.connect.tls import Fault, Peer, causes_of, explain_connection
from dataflow.errors import (
    DataFlowError,
    SchemaDrift,
    SourceIncomplete,
    SourceMalformed,
    SourceMissing,
    SourceRefused,
    SourceUnavailable,
)

_PASSING = frozenset({429, 500, 502, 503, 504})

PEER = Peer(host="domain, endpoint or proxy of the source", ca_file="ca_file of the source")


class TryAgain(Exception):
    """A temporary failure. `retry_after` is the server's request, in seconds; `next_move` applies if it lasts."""

    next_move = "Run again later; status.salesforce.com lists incidents on their side."

    def __init__(self, found: str, *, retry_after: float | None = None) -> None:
        super().__init__(found)
        self.retry_after = retry_after


class NotReached(TryAgain):
    """No server answered: more often a wrong setting in dataflow.toml than a temporary failure."""

    next_move = "Check domain, endpoint and proxy in dataflow.toml, and the firewall; then run again."


class SessionExpired(Exception):
    """The token is no longer accepted."""


def error_codes(response: requests.Response) -> list[str]:
    """Return the codes of an error answer; its messages can contain values of records and are never repeated."""
    try:
        answer = response.json()
    except ValueError:
        return []
    items = answer if isinstance(answer, list) else [answer]
    return [str(one["errorCode"]) for one in items if isinstance(one, dict) and "errorCode" in one]


def server_time(response: requests.Response) -> datetime | None:
    """Return when the server answered, by its own clock, in whole seconds."""
    date = email.utils.parsedate_tz(response.headers.get("Date", ""))
    return None if date is None else datetime.fromtimestamp(email.utils.mktime_tz(date), tz=UTC)


def check(response: requests.Response, *, doing: str) -> None:
    """Raise the error of an answer, unless it is a success.

    Raises: TryAgain, SessionExpired, SourceIncomplete, SourceRefused, SourceMissing, SourceMalformed, SchemaDrift,
    SourceUnavailable.
    """
    status = response.status_code
    if status < 300:
        return
    codes = error_codes(response)
    code = codes[0] if codes else f"HTTP {status}"
    if status == 401:
        raise SessionExpired(code)
    if status in _PASSING:
        raise TryAgain(code, retry_after=_retry_after(response))
    if code == "REQUEST_LIMIT_EXCEEDED":
        # Too many concurrent calls is over within seconds; the daily calls return only over hours.
        if "TotalRequests" not in response.text:
            raise TryAgain(code, retry_after=_retry_after(response))
        raise SourceIncomplete(
            f"{doing}: the org's API calls of the last 24 hours are used up ({code}).",
            next_move="Run again later; the run continues where it stopped.",
        )
    raise _refusal(status, code, doing)


def _refusal(status: int, code: str, doing: str) -> DataFlowError:
    message = f"{doing}: Salesforce answered {code}."
    if status < 400:
        return SourceRefused(f"{message} It points elsewhere.", next_move="Put the org's My Domain into domain.")
    if code == "INVALID_FIELD":
        return SchemaDrift(
            message.replace(code, f"{code}: a field does not exist, or the user may not read it"),
            next_move="Grant the field to the integration user (dataflow doctor names it), or remove it from fields.",
        )
    if code in ("INVALID_TYPE", "NOT_FOUND") or status == 404:
        return SourceMissing(
            message, next_move="Check the object's name (remote) and that the integration user can read it."
        )
    if code in ("INVALID_QUERY_LOCATOR", "QUERY_TIMEOUT", "UNABLE_TO_LOCK_ROW", "INVALID_LOCATOR"):
        return SourceUnavailable(message, next_move="Run again: the window is read from its start.")
    if status == 403:
        return SourceRefused(message, next_move="Give the integration user API access and read permission.")
    return SourceMalformed(
        message, next_move="This is a defect of the salesforce adapter; report it with the object's fields."
    )


def explain_failure(error: requests.RequestException, *, doing: str, host: str) -> Exception:
    """Return the error of a call without an answer: TryAgain where a retry can help, else the final error."""
    failure = explain_connection(error, PEER)
    if failure is not None and (failure.kind is SourceRefused or failure.fault is Fault.NO_HOST):
        return failure.kind(f"{doing} at {host}: {failure.found}.", next_move=failure.next_move)
    causes = list(causes_of(error))
    if any(isinstance(cause, requests.exceptions.ProxyError) for cause in causes):
        return NotReached(f"the proxy does not lead to {host}")
    if failure is not None and failure.fault is Fault.NOTHING_LISTENS:
        return NotReached(f"nothing listens at {host}")
    if any(isinstance(cause, requests.exceptions.ConnectTimeout) for cause in causes):
        return NotReached(f"{host} does not answer")
    return TryAgain(f"the connection to {host} failed ({type(error).__name__})")


def _retry_after(response: requests.Response) -> float | None:
    """Read Retry-After: seconds, or a date."""
    header = response.headers.get("Retry-After", "")
    try:
        return max(float(header), 0.0)
    except ValueError:
        until = email.utils.parsedate_tz(header)
    if until is None:
        return None
    return max(email.utils.mktime_tz(until) - datetime.now(UTC).timestamp(), 0.0)
