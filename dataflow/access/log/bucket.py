"""Heads of the access log in an S3 bucket with Object Lock: written once, kept until their time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from dataflow.access.log.checkpoint import Head
from dataflow.errors import AccessLogError, ConfigurationError
from dataflow.settings import Settings
from dataflow.sources.s3.client import connect

_SUFFIX = ".checkpoint"
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
# So many digits that the names are in the order of the sizes.
_DIGITS = 12


@dataclass(frozen=True)
class HeadBucket:
    """The place of heads in a bucket."""

    client: Any
    bucket: str
    prefix: str
    days: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the bucket of the settings. Raises: ConfigurationError."""
        audit = settings.audit
        scheme, _, place = audit.anchor_bucket.partition("://")
        bucket, _, prefix = place.partition("/")
        if scheme != "s3" or not bucket:
            raise ConfigurationError(
                f"audit.anchor_bucket is {audit.anchor_bucket}, which is not s3://bucket/prefix.",
                next_move="Correct it.",
            )
        below = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        return cls(connect(audit.anchor_s3), bucket, below, audit.anchor_days)

    def put(self, head: Head, note: str, *, now: datetime) -> bool:
        """Put a head unless the bucket has it; return whether it was put. Raises: AccessLogError."""
        key = f"{self.prefix}{head.origin}/{head.size:0{_DIGITS}d}{_SUFFIX}"
        try:
            self.client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=note.encode(),
                IfNoneMatch="*",
                ObjectLockMode="COMPLIANCE",
                ObjectLockRetainUntilDate=now + timedelta(days=self.days),
            )
        except ClientError as error:
            # Some servers refuse to replace a locked object before they look at the condition.
            if error.response["Error"]["Code"] in _TAKEN or self._holds(key, note):
                return False
            raise self._failed("put", error.response["Error"]["Code"]) from error
        except BotoCoreError as error:
            raise self._failed("put", type(error).__name__) from error
        return True

    def heads(self) -> Iterator[tuple[str, str]]:
        """Yield name and note of each head. Raises: AccessLogError."""
        try:
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix):
                for found in page.get("Contents", ()):
                    if found["Key"].endswith(_SUFFIX):
                        answer = self.client.get_object(Bucket=self.bucket, Key=found["Key"])
                        yield found["Key"], answer["Body"].read().decode()
        except ClientError as error:
            raise self._failed("read", error.response["Error"]["Code"]) from error
        except BotoCoreError as error:
            raise self._failed("read", type(error).__name__) from error

    def _holds(self, key: str, note: str) -> bool:
        try:
            return bool(self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read() == note.encode())
        except (ClientError, BotoCoreError):
            return False

    def _failed(self, what: str, why: str) -> AccessLogError:
        return AccessLogError(
            f"The heads of the access log could not be {what} in s3://{self.bucket}/{self.prefix}: {why}.",
            next_move="Check that the bucket has Object Lock and that the key of audit.anchor_s3 may put and read.",
        )
