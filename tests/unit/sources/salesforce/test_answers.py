"""What a refusal means: whether trying again can help, and who acts."""

from __future__ import annotations

import json
import socket
import ssl

import pytest
import requests

from dataflow import errors
from dataflow.sources.salesforce.answers import SessionExpired, TryAgain, check, explain_failure, server_time

SECRET = "jane.doe@example.com"


def answer(status: int, code: str = "", words: str = SECRET, **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response._content = json.dumps([{"errorCode": code, "message": words}]).encode() if code else b"<html>"
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        (401, "INVALID_SESSION_ID", SessionExpired),
        (429, "", TryAgain),
        (500, "UNKNOWN_EXCEPTION", TryAgain),
        (502, "", TryAgain),
        (503, "SERVER_UNAVAILABLE", TryAgain),
        (504, "", TryAgain),
        (403, "API_DISABLED_FOR_ORG", errors.SourceRefused),
        (403, "INSUFFICIENT_ACCESS", errors.SourceRefused),
        (302, "", errors.SourceRefused),
        (400, "INVALID_FIELD", errors.SchemaDrift),
        (400, "INVALID_TYPE", errors.SourceMissing),
        (404, "NOT_FOUND", errors.SourceMissing),
        (400, "INVALID_QUERY_LOCATOR", errors.SourceUnavailable),
        (400, "QUERY_TIMEOUT", errors.SourceUnavailable),
        (400, "MALFORMED_QUERY", errors.SourceMalformed),
        (400, "", errors.SourceMalformed),
    ],
)
def test_status_and_code_decide(status: int, code: str, meaning: type[Exception]) -> None:
    with pytest.raises(meaning) as raised:
        check(answer(status, code), doing="Asking")
    assert SECRET not in str(raised.value)


def test_too_many_calls_at_once_pass_and_the_days_calls_do_not() -> None:
    with pytest.raises(TryAgain):
        check(answer(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded."), doing="Asking")
    with pytest.raises(errors.SourceIncomplete):
        check(answer(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), doing="Asking")


def test_a_good_answer_passes() -> None:
    check(answer(204), doing="Asking")


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("soon", None)])
def test_retry_after_is_read_as_seconds_or_date(header: str, seconds: float | None) -> None:
    with pytest.raises(TryAgain) as raised:
        check(answer(429, "", Retry_After=header), doing="Asking")
    assert raised.value.retry_after == seconds


def test_the_servers_clock_is_read_from_its_answer() -> None:
    found = server_time(answer(200, Date="Sun, 01 Mar 2026 12:00:00 GMT"))
    assert found is not None
    assert found.isoformat() == "2026-03-01T12:00:00+00:00"
    assert server_time(answer(200)) is None


def failed(cause: Exception) -> Exception:
    error = requests.exceptions.ConnectionError(cause)
    return explain_failure(error, doing="Asking", host="acme")


def test_what_no_second_try_heals_is_told_at_once() -> None:
    unknown = failed(socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    assert isinstance(unknown, errors.SourceUnavailable)
    old = ssl.SSLError(1, "alert")
    old.reason = "TLSV1_ALERT_PROTOCOL_VERSION"
    assert isinstance(failed(old), errors.SourceRefused)
    wrong = ssl.SSLCertVerificationError(1, "verify failed")
    wrong.verify_message = "certificate has expired"
    refused = failed(wrong)
    assert isinstance(refused, errors.SourceRefused)
    assert "certificate has expired" in str(refused)


@pytest.mark.parametrize("cause", [ConnectionResetError(), TimeoutError(), ssl.SSLEOFError(8, "EOF occurred")])
def test_a_cut_connection_is_worth_another_try(cause: Exception) -> None:
    assert isinstance(failed(cause), TryAgain)
