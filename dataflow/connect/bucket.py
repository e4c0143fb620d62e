"""Objects below a prefix of a bucket: put whole or not at all, read, listed, removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError

from dataflow.connect.aws import bucket_client
from dataflow.connect.bucket_error import BucketError
from lakehouse import S3Access

_MISSING = ("NoSuchKey", "404")
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")


@dataclass(frozen=True)
class Bucket:
    """The objects of a bucket whose keys begin with `prefix`, which is empty or ends in a slash."""

    client: Any
    name: str
    prefix: str

    @classmethod
    def of(cls, place: str, access: S3Access, *, setting: str) -> Self:
        """Return the objects at `s3://bucket/prefix`; `setting` declares how it is reached, for messages."""
        name, _, prefix = place.removeprefix("s3://").strip("/").partition("/")
        client = bucket_client(access, setting=f"{setting}.ca_file")
        return cls(client, name, f"{prefix}/" if prefix else "")

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    def below(self, folder: str) -> Bucket:
        """Return the objects one level deeper."""
        return Bucket(self.client, self.name, f"{self.prefix}{folder}/")

    def names(self, start: str = "") -> Iterator[str]:
        """Yield the names directly below the prefix that begin with `start`, unordered. Raises: BucketError."""
        return (name for name, _ in self.modified(start))

    def modified(self, start: str = "") -> Iterator[tuple[str, datetime]]:
        """Yield names as `names` does, each with the time at which it was put. Raises: BucketError."""
        with _failing():
            pages = self.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.name, Prefix=self.prefix + start, Delimiter="/"):
                for one in page.get("Contents", ()):
                    # A console makes an empty object for a folder.
                    if name := one["Key"].removeprefix(self.prefix):
                        yield name, one["LastModified"]

    def read(self, name: str, *, limit: int | None = None) -> bytes:
        """Read an object, at most `limit` bytes of it. Raises: FileNotFoundError, BucketError."""
        with _failing(name):
            body = self.client.get_object(Bucket=self.name, Key=self.prefix + name)["Body"]
            return bytes(body.read(limit))

    def put_if_absent(self, name: str, data: bytes) -> None:
        """Put an object unless the name is taken by other bytes. Raises: FileExistsError, BucketError."""
        try:
            self.client.put_object(Bucket=self.name, Key=self.prefix + name, Body=data, IfNoneMatch="*")
        except ClientError as error:
            if _code(error) not in _TAKEN:
                raise BucketError(_code(error)) from None
            # The client sends a request again whose answer was lost: then the object is this one.
            if self.read(name, limit=len(data) + 1) != data:
                raise FileExistsError(name) from None
        except BotoCoreError as error:
            raise BucketError(type(error).__name__) from None

    def upload(self, file: Path, name: str) -> None:
        """Put a file, in parts where it is long; other processes see all of it or nothing. Raises: BucketError."""
        with _failing(name):
            self.client.upload_file(str(file), self.name, self.prefix + name)

    def download(self, name: str, file: Path) -> None:
        """Write an object to a file, whole or not at all. Raises: FileNotFoundError, BucketError."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with _failing(name):
            # The library writes beside the file and renames.
            self.client.download_file(self.name, self.prefix + name, str(file))

    def copy(self, name: str, new: str) -> None:
        """Copy an object. Raises: FileNotFoundError, BucketError."""
        source = {"Bucket": self.name, "Key": self.prefix + name}
        with _failing(name):
            self.client.copy_object(Bucket=self.name, Key=self.prefix + new, CopySource=source)

    def remove(self, name: str) -> None:
        """Remove an object; one that is missing is not an error. Raises: BucketError."""
        with _failing(name):
            self.client.delete_object(Bucket=self.name, Key=self.prefix + name)


@contextmanager
def _failing(name: str = "") -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if _code(error) in _MISSING:
            raise FileNotFoundError(name) from None
        raise BucketError(_code(error)) from None
    except S3UploadFailedError:
        # Its message holds the code, and the path of the file too.
        raise BucketError("the upload failed") from None
    except BotoCoreError as error:
        raise BucketError(type(error).__name__) from None


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
