"""Probe of the lake's bucket for `dataflow doctor`: its policy refuses TLS older than 1.3, which DuckDB cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dataflow.access.lake import lake_location
from dataflow.connect.aws import bucket_client
from dataflow.errors import ConfigurationError
from dataflow.settings import Settings

_LEAST = 1.3
_NO_POLICY = "NoSuchBucketPolicy"
_STATEMENT = '{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::BUCKET", '
_STATEMENT += '"arn:aws:s3:::BUCKET/*"], "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.3"}}}'


def look_at_policy(settings: Settings) -> str:
    """Check that the policy of the bucket of the lake's data denies TLS older than 1.3. Raises: ConfigurationError."""
    place = lake_location(settings)
    assert isinstance(place.data, str)
    assert place.s3 is not None
    bucket, access = place.data.removeprefix("s3://").split("/")[0], place.s3
    needed = f"Add to the policy of {bucket}: {_STATEMENT.replace('BUCKET', bucket)}"
    try:
        answer = bucket_client(access, setting="lake.s3.ca_file").get_bucket_policy(Bucket=bucket)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code == _NO_POLICY:
            raise ConfigurationError(f"The bucket {bucket} has no policy.", next_move=needed) from None
        raise ConfigurationError(
            f"The policy of {bucket}, which has to refuse TLS older than 1.3, cannot be read ({code}).",
            next_move="Let this role do s3:GetBucketPolicy on the bucket.",
        ) from None
    except BotoCoreError as error:
        raise ConfigurationError(f"The policy of {bucket} cannot be read ({type(error).__name__}).") from None
    if not denies_older_tls(answer["Policy"], bucket):
        raise ConfigurationError(f"The policy of {bucket} does not refuse TLS older than 1.3.", next_move=needed)
    return f"the policy of {bucket} refuses TLS older than 1.3"


def denies_older_tls(policy: str, bucket: str) -> bool:
    """Return whether a statement denies everybody all actions on the bucket's objects over TLS older than 1.3."""
    return any(
        statement.get("Effect") == "Deny"
        and _everybody(statement.get("Principal"))
        and {"*", "s3:*"} & set(_listed(statement.get("Action")))
        and {"*", f"arn:aws:s3:::{bucket}/*"} & set(_listed(statement.get("Resource")))
        and list(_least_versions(statement)) == [_LEAST]
        for statement in _listed(json.loads(policy).get("Statement"))
    )


def _least_versions(statement: dict[str, Any]) -> Iterator[float]:
    # A further condition would narrow the statement.
    for operator, named in statement.get("Condition", {}).items():
        for key, value in named.items():
            is_it = operator == "NumericLessThan" and key.casefold() == "s3:tlsversion"
            yield float(_listed(value)[0]) if is_it else 0.0


def _everybody(principal: Any) -> bool:
    return principal == "*" or (isinstance(principal, dict) and "*" in _listed(principal.get("AWS")))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
