"""Messages as objects of a bucket: each is put whole, under a unique name, unless the name is taken."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from dataflow.connect.aws import bucket_client
from lakehouse import LakeUnreachable, LakeUnwritable, S3Access

_ASIDE = "set-aside/"
_MISSING = ("NoSuchKey", "404")
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")


@dataclass(frozen=True)
class MessageBucket:
    """The objects directly below a prefix; those that were set aside are one level deeper."""

    client: Any
    bucket: str
    prefix: str

    @classmethod
    def of(cls, place: str, access: S3Access) -> Self:
        """Return the store at `s3://bucket/prefix`, reached as the lake's data are."""
        bucket, _, prefix = place.removeprefix("s3://").strip("/").partition("/")
        client = bucket_client(access, keys=access.keys(), setting="lake.s3.ca_file")
        return cls(client, bucket, f"{prefix}/" if prefix else "")

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def names(self) -> list[str]:
        """Return the names of all messages, unordered. Raises: LakeUnreachable."""
        return list(self._names(self.prefix))

    def names_set_aside(self) -> list[str]:
        """Return the names of those that were set aside. Raises: LakeUnreachable."""
        return list(self._names(self.prefix + _ASIDE))

    def read(self, name: str, *, limit: int) -> bytes:
        """Read at most `limit` bytes of an object. Raises: FileNotFoundError, another OSError."""
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=self.prefix + name)
            return bytes(answer["Body"].read(limit))
        except ClientError as error:
            if _code(error) in _MISSING:
                raise FileNotFoundError(name) from None
            raise OSError(_code(error)) from None
        except BotoCoreError as error:
            raise OSError(type(error).__name__) from None

    def put_if_absent(self, name: str, data: bytes) -> None:
        """Put an object unless the name is taken. Raises: FileExistsError, LakeUnwritable."""
        key = self.prefix + name
        try:
            self.client.put_object(Bucket=self.bucket, Key=key, Body=data, IfNoneMatch="*")
        except ClientError as error:
            if _code(error) not in _TAKEN:
                raise self._unwritable(_code(error)) from None
            # The client sends a request again whose answer was lost: then the object is this one.
            if self.read(name, limit=len(data) + 1) != data:
                raise FileExistsError(name) from None
        except BotoCoreError as error:
            raise self._unwritable(type(error).__name__) from None

    def remove(self, name: str) -> None:
        """Remove an object; one that is missing or cannot be removed is not an error."""
        with suppress(ClientError, BotoCoreError):
            self.client.delete_object(Bucket=self.bucket, Key=self.prefix + name)

    def set_aside(self, name: str) -> None:
        """Move an object that is not a message one level deeper; one that cannot be moved stays."""
        with suppress(ClientError, BotoCoreError, LakeUnreachable):
            source = {"Bucket": self.bucket, "Key": self.prefix + name}
            new = f"{name}.{secrets.token_hex(4)}" if name in self.names_set_aside() else name
            self.client.copy_object(Bucket=self.bucket, Key=f"{self.prefix}{_ASIDE}{new}", CopySource=source)
            self.client.delete_object(Bucket=self.bucket, Key=self.prefix + name)

    def _names(self, prefix: str) -> Iterator[str]:
        with self._reading():
            pages = self.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix, Delimiter="/"):
                # A console makes an empty object for a folder.
                yield from (name for one in page.get("Contents", ()) if (name := one["Key"].removeprefix(prefix)))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            found = _code(error) if isinstance(error, ClientError) else type(error).__name__
            raise LakeUnreachable(
                f"Reading the inbox {self}: {found}; check that this user may list and read there, then run again"
            ) from None

    def _unwritable(self, found: str) -> LakeUnwritable:
        return LakeUnwritable(
            f"Writing a message to the inbox {self}: {found}; check that this user may put objects there, then try "
            "again"
        )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
