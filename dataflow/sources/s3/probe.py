"""The probes of a bucket for `dataflow doctor`: everything that a run needs, each with its next move."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial

from botocore.exceptions import ClientError

from dataflow.errors import DataFlowError
from dataflow.settings import SourceSettings
from dataflow.sources.protocol import Finding, ObjectState
from dataflow.sources.s3.adapter import open_bucket
from dataflow.sources.s3.bucket import Bucket
from dataflow.sources.s3.error_map import explained

_SKEW_SECONDS = 300.0
"""S3 refuses a signature that is 15 minutes off; a clock that is 5 minutes off drifts further."""


def probe(name: str, settings: SourceSettings, *, now: Callable[[], datetime] | None = None) -> Iterator[Finding]:
    """Connect, compare clocks, list the bucket, read a byte of each object; end where no later probe can succeed.

    `now` is this machine's clock.
    """
    try:
        bucket = open_bucket(name, settings)
        with explained(f"Reaching {bucket}", bucket.place):
            headers = _ask(bucket)
    except DataFlowError as error:
        yield Finding.of_error("connection", error)
        return
    yield _connection(bucket)
    if "date" in headers:
        yield _clock(parsedate_to_datetime(headers["date"]), (now or _now)())
    listing = _look("bucket", partial(_list, bucket))
    yield listing
    if listing.is_well:
        for object_name, declared in settings.objects.items():
            yield _look(f"read {object_name}", partial(_read, bucket, declared.path))


def _ask(bucket: Bucket) -> Mapping[str, str]:
    """Return the headers of any answer: a server that refuses was reached too."""
    try:
        response = bucket.client.head_bucket(Bucket=bucket.bucket)
    except ClientError as error:
        response = error.response
    headers: Mapping[str, str] = response["ResponseMetadata"]["HTTPHeaders"]
    return headers


def _connection(bucket: Bucket) -> Finding:
    place = bucket.place
    if place.uses_tls:
        return Finding("connection", True, f"{place.endpoint} answers over TLS 1.3, its certificate is trusted")
    found = f"{place.endpoint} answers, unencrypted: the rows can be read on the network"
    return Finding("connection", False, found, f"Set {place.setting}.s3.use_tls = true.")


def _clock(theirs: datetime, ours: datetime) -> Finding:
    seconds = (ours - theirs).total_seconds()
    side = "ahead of" if seconds > 0 else "behind"
    found = f"this machine is {abs(seconds):.0f} s {side} the server"
    is_well = abs(seconds) <= _SKEW_SECONDS
    fix = "" if is_well else "Set this machine's clock (NTP): S3 refuses signatures that are 15 minutes off."
    return Finding("clock", is_well, found, fix)


def _list(bucket: Bucket) -> str:
    folders = bucket.folders()
    return f"{bucket} can be listed; {len(folders)} folders at its top"


def _read(bucket: Bucket, pattern: str) -> str:
    files = bucket.find(pattern)
    if not files:
        return f"nothing matches {pattern} yet"
    [newest] = bucket.identify([max(files, key=lambda file: file.modified_at)], ObjectState())
    with bucket.open(newest) as stream:
        stream.read(1)
    return f"{len(files):,} files match {pattern}, the newest can be read"


def _look(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except DataFlowError as error:
        return Finding.of_error(name, error)


def _now() -> datetime:
    return datetime.now(UTC)
