"""The probes of an org for `dataflow doctor`: sign-in, clocks, calls left, and each object and field that is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from dataflow.errors import DataFlowError
from dataflow.settings import ObjectSettings, SourceSettings
from dataflow.sources.drift import describe
from dataflow.sources.protocol import Finding
from dataflow.sources.salesforce import soql
from dataflow.sources.salesforce.adapter import SalesforceSource
from dataflow.sources.salesforce.connection import Connection
from dataflow.sources.salesforce.fields import choose_columns, object_drift

_SKEW_SECONDS = 120.0
"""A signed assertion is valid for three minutes; a clock more than two minutes off makes invalid ones."""


def probe(name: str, settings: SourceSettings, *, now: Callable[[], datetime] | None = None) -> Iterator[Finding]:
    """Sign in, compare clocks, read the number of calls left, and read a row of each object.

    Stops where no later probe can succeed. Costs one API call, and two per object. `now` is this machine's clock.
    """
    connection = None
    try:
        source = SalesforceSource(name, settings)
        connection = source.connection
        token_host = connection.session.sign_in() and connection.session.instance
        limits = connection.limits()
    except DataFlowError as error:
        yield Finding.of_error("connection", error)
        return
    yield Finding("connection", True, f"signed in to {token_host} over TLS 1.3, its certificate is trusted")
    yield _clock(connection.now(), (now or _now)())
    calls = _calls(limits, source.settings.reserve_share)
    yield calls
    if not calls.is_well:
        return
    for object_name, declared in settings.objects.items():
        yield _object(connection, source, object_name, declared)


def _clock(theirs: datetime, ours: datetime) -> Finding:
    apart = (theirs - ours).total_seconds()
    if abs(apart) <= _SKEW_SECONDS:
        return Finding("clock", True, f"{abs(apart):.0f} s apart")
    words = f"this machine's clock is {abs(apart):,.0f} s {'behind' if apart > 0 else 'ahead'}"
    return Finding("clock", False, words, "Set this machine's clock by NTP: signed sign-ins are refused otherwise.")


def _calls(limits: Mapping[str, Any], reserve_share: float) -> Finding:
    calls = limits.get("DailyApiRequests", {})
    total, left = int(calls.get("Max", 0)), int(calls.get("Remaining", 0))
    words = f"{left:,} of {total:,} API calls left today, {reserve_share:.0%} reserved for others"
    if left > total * reserve_share:
        return Finding("API calls", True, words)
    return Finding("API calls", False, words, "Wait until calls are available, or lower reserve_share.")


def _object(connection: Connection, source: SalesforceSource, object_name: str, declared: ObjectSettings) -> Finding:
    title = f"read {object_name}"
    try:
        remote = source.remote(object_name)
        described = connection.describe(remote)
        columns = choose_columns(declared, described, name=object_name)
        connection.query(soql.select(columns.paths, remote, limit=1), with_deleted=True)
        drift = object_drift(declared, described)
    except DataFlowError as error:
        return Finding.of_error(title, error)
    if drift.gone or drift.retyped:
        return Finding(
            title,
            False,
            f"{remote} differs from its declaration: {describe(replace(drift, new=()))}",
            "Grant the integration user read access to the fields that are gone (permission set, field-level "
            "security), or correct the object's fields.",
        )
    new = f"; not declared: {', '.join(drift.new)}" if drift.new else ""
    return Finding(title, True, f"{remote}: {len(columns.paths)} fields can be read{new}")


def _now() -> datetime:
    return datetime.now(UTC)
