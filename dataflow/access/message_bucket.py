"""Messages as objects of a bucket: each is put whole, under a unique name, unless the name is taken."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import Self

from dataflow.connect.bucket import Bucket
from dataflow.connect.bucket_error import BucketError
from lakehouse import LakeUnreachable, LakeUnwritable, S3Access

_ASIDE = "set-aside"


class MessageBucket:
    """The objects directly below a prefix; those that were set aside are one level deeper."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    @classmethod
    def of(cls, place: str, access: S3Access) -> Self:
        """Return the store at `s3://bucket/prefix`, reached as the lake's data are."""
        return cls(Bucket.of(place, access, setting="lake.s3"))

    def __str__(self) -> str:
        return str(self._bucket)

    def below(self, name: str) -> MessageBucket:
        """Return the messages one level deeper."""
        return MessageBucket(self._bucket.below(name))

    def names(self) -> list[str]:
        """Return the names of all messages, unordered. Raises: LakeUnreachable."""
        return self._names(self._bucket)

    def names_set_aside(self) -> list[str]:
        """Return the names of those that were set aside. Raises: LakeUnreachable."""
        return self._names(self._bucket.below(_ASIDE))

    def read(self, name: str, *, limit: int) -> bytes:
        """Read at most `limit` bytes of an object. Raises: FileNotFoundError, another OSError."""
        return self._bucket.read(name, limit=limit)

    def put_if_absent(self, name: str, data: bytes) -> None:
        """Put an object unless the name is taken. Raises: FileExistsError, LakeUnwritable."""
        try:
            self._bucket.put_if_absent(name, data)
        except BucketError as error:
            raise LakeUnwritable(
                f"Writing a message to the inbox {self}: {error}; check that this user may put objects there, then try "
                "again"
            ) from None

    def remove(self, name: str) -> None:
        """Remove an object; one that is missing or cannot be removed is not an error."""
        with suppress(OSError):
            self._bucket.remove(name)

    def set_aside(self, name: str) -> None:
        """Move an object that is not a message one level deeper; one that cannot be moved stays."""
        with suppress(OSError, LakeUnreachable):
            new = f"{name}.{secrets.token_hex(4)}" if name in self.names_set_aside() else name
            self._bucket.copy(name, f"{_ASIDE}/{new}")
            self._bucket.remove(name)

    def _names(self, bucket: Bucket) -> list[str]:
        try:
            return list(bucket.names())
        except OSError as error:
            raise LakeUnreachable(
                f"Reading the inbox {self}: {error}; check that this user may list and read there, then run again"
            ) from None
