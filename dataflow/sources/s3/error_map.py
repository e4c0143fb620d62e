"""Map S3 and socket errors to SourceError classes.

Only codes of a server's answer are repeated: its message can contain the access key.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from urllib3.exceptions import HTTPError

from dataflow.connect.tls import Peer, explain_connection
from dataflow.errors import SourceError, SourceMissing, SourceRefused, SourceUnavailable

AWS = "AWS"
"""The endpoint in messages where the settings have none."""


class Place(NamedTuple):
    """The bucket and server, for messages; `setting` is where dataflow.toml declares it."""

    bucket: str
    endpoint: str
    setting: str
    uses_tls: bool = True


class _Answer(NamedTuple):
    kind: type[SourceError]
    found: str
    next_move: str


_KEY = "Correct {setting}.s3.key_id and secret; without them the environment or the machine's role must give a key."
_CLOCK = "Set this machine's clock: signatures are good for 15 minutes."
_UNKNOWN_KEY = _Answer(SourceRefused, "the server does not know this access key", _KEY)
_EXPIRED = _Answer(SourceRefused, "the temporary credentials have expired", "Renew them, or use a role.")
_SKEWED = _Answer(SourceRefused, "the clocks of this machine and of the server differ too much", _CLOCK)
_REGION = _Answer(SourceRefused, "the bucket is in another region", "Correct {setting}.s3.region.")
_NO_BUCKET = _Answer(SourceMissing, "there is no bucket {bucket}", "Correct {setting}.root, or have it created.")
_NO_OBJECT = _Answer(
    SourceMissing, "it existed when the run was planned and is gone", "Run again: the next run plans without it."
)
_BY_CODE = {
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "XAdminUserNotFound": _UNKNOWN_KEY,
    "SignatureDoesNotMatch": _Answer(SourceRefused, "the secret does not belong to the access key", _KEY),
    "ExpiredToken": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "InvalidToken": _EXPIRED,
    "RequestTimeTooSkewed": _SKEWED,
    "RequestExpired": _SKEWED,
    "AccessDenied": _Answer(
        SourceRefused,
        "the access key is valid and not allowed to do this",
        "Grant s3:ListBucket on {bucket} and s3:GetObject on its objects to it; where they are encrypted with a key "
        "of KMS, kms:Decrypt too.",
    ),
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "NoSuchBucket": _NO_BUCKET,
    "NoSuchKey": _NO_OBJECT,
    "InvalidBucketName": _Answer(SourceMissing, "no bucket can be named {bucket}", "Correct {setting}.root."),
    "InvalidObjectState": _Answer(
        SourceMissing, "it is archived and cannot be read immediately", "Restore it from the archive, then run again."
    ),
    "PreconditionFailed": _Answer(
        SourceUnavailable,
        "it was rewritten since the run was planned",
        "Run again: the next run takes it as it is then; nothing of the window was landed.",
    ),
}
# From a server without If-Match, when the object is shorter now.
_BY_CODE["InvalidRange"] = _BY_CODE["PreconditionFailed"]
_BY_STATUS = {404: _NO_OBJECT, 301: _REGION, 412: _BY_CODE["PreconditionFailed"], 403: _BY_CODE["AccessDenied"]}


@contextmanager
def explained(doing: str, place: Place) -> Iterator[None]:
    """Turn errors inside the block into errors of a source; `doing` begins the message."""
    try:
        yield
    except (ClientError, BotoCoreError, HTTPError) as error:
        answer = _answer(error, place)
        raise answer.kind(
            f"{doing} at {place.endpoint}: {answer.found.format_map(place._asdict())}.",
            next_move=answer.next_move.format_map(place._asdict()),
        ) from None


def is_cut(error: BaseException) -> bool:
    """Return whether a connection ended or timed out while an answer was read."""
    return isinstance(error, ReadTimeoutError | ResponseStreamingError | IncompleteReadError | HTTPError)


def _answer(error: Exception, place: Place) -> _Answer:
    if isinstance(error, ClientError):
        return _refused(error)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return _Answer(SourceRefused, "there is no access key to sign with", _KEY)
    if (failed := _connection(error, place)) is not None:
        return failed
    next_move = "Run again." if place.uses_tls else "Run again; if the server speaks TLS, set {setting}.s3.use_tls."
    return _Answer(SourceUnavailable, f"the connection was lost ({type(error).__name__})", next_move)


def _refused(error: ClientError) -> _Answer:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    known = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if known is not None:
        return known
    if status in (408, 429) or status >= 500:
        return _Answer(SourceUnavailable, f"the server is overloaded or failing ({status} {code})", "Run again later.")
    return _Answer(SourceRefused, f"the server answered {status} {code}", "Look the code up in the server's manual.")


def _connection(error: Exception, place: Place) -> _Answer | None:
    """Return why a connection could not be made; an error of a connection lost later is too vague."""
    if not isinstance(error, SSLError | EndpointConnectionError | ConnectTimeoutError):
        return None
    where = f"{place.setting}.s3.endpoint" if place.endpoint != AWS else f"the network, and {place.setting}.s3.region"
    failure = explain_connection(error, Peer(host=where, ca_file=f"{place.setting}.s3.ca_file"))
    if failure is None:
        return _Answer(SourceUnavailable, "it does not answer", f"Check {where}, and that the server runs.")
    return _Answer(failure.kind, failure.found, failure.next_move)
