"""A bucket as a store of parts. An object is identified by key, ETag and size; every read names its version.

Objects are replaced whole, and every GET names the listed ETag (If-Match). So a read returns one version from first to
last byte, and the server refuses an object that was rewritten meanwhile, even between two ranges.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from dataflow.errors import SourceUnavailable
from dataflow.sources.files.listing import FoundFile, window_of
from dataflow.sources.protocol import ObjectState, Part
from dataflow.sources.s3.error_map import AWS, Place, explained
from dataflow.sources.s3.stream import RANGE_BYTES, ObjectStream, fetch_range

_PIECE_BYTES = 256 * 1024
_BUFFER_BYTES = 1024 * 1024
_NO_ETAG = "@"


class Bucket:
    """The objects below one prefix of a bucket, by the key after the prefix."""

    # Else, under a flat prefix, each new file would make all old ones be read again.
    windows_by_arrival = True
    # A listing is reliable, and lifecycle rules often delete exports after some days.
    is_sure_when_empty = True

    def __init__(self, client: Any, bucket: str, prefix: str, *, setting: str) -> None:
        self.client = client
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        scheme, _, address = client.meta.endpoint_url.partition("://")
        endpoint = AWS if address.endswith("amazonaws.com") else address
        self.place = Place(bucket, endpoint, setting, uses_tls=scheme == "https")

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def find(self, pattern: str) -> list[FoundFile]:
        """List the objects of a pattern, page by page; only keys with the pattern's fixed beginning are listed.

        Raises: SourceMissing, SourceUnavailable, SourceRefused.
        """
        beginning = pattern.split("{")[0].split("*")[0]
        found = []
        for page in self._pages(Prefix=self.prefix + beginning):
            for listed in page.get("Contents", ()):
                path = listed["Key"].removeprefix(self.prefix)
                window = window_of(pattern, path)
                if window is not None:
                    modified = listed["LastModified"].astimezone(UTC)
                    fingerprint = _fingerprint(listed.get("ETag", ""), listed["Size"], modified)
                    found.append(FoundFile(path, window, listed["Size"], modified, fingerprint))
        return sorted(found, key=lambda one: one.path)

    def identify(self, files: Sequence[FoundFile], state: ObjectState) -> list[Part]:  # noqa: ARG002 (Store's form)
        """Return the files unchanged: the listing has their fingerprints."""
        return [Part(file.path, file.fingerprint, file.size_bytes, file.modified_at) for file in files]

    def check_unchanged(self, part: Part) -> None:
        """Check nothing here: each read names its version."""

    def open(self, part: Part) -> BinaryIO:
        """Open an object. Raises, while it is read: SourceUnavailable where it was rewritten."""
        stream = ObjectStream(lambda start, end: self._fetch(part, start, end), part.size_bytes)
        return io.BufferedReader(stream, _BUFFER_BYTES)

    def read_range(self, part: Part, start: int, end: int) -> bytes:
        """Read some bytes of an object. Raises: SourceUnavailable where it was rewritten."""
        return bytes(self._fetch(part, start, end))

    @contextmanager
    def as_file(self, part: Part) -> Iterator[Path]:
        """Provide a copy on this machine during the block: Parquet is read from its end, with seeks."""
        with tempfile.TemporaryDirectory(prefix="dataflow-s3-") as folder:
            file = Path(folder) / "part"
            with self.open(part) as stream, file.open("wb") as copy:
                shutil.copyfileobj(stream, copy, RANGE_BYTES)
            yield file

    def folders(self) -> list[str]:
        """List the parts of keys before the first slash."""
        pages = self._pages(Prefix=self.prefix, Delimiter="/")
        prefixes = (one["Prefix"] for page in pages for one in page.get("CommonPrefixes", ()))
        return sorted(prefix.removeprefix(self.prefix).rstrip("/") for prefix in prefixes)

    def _pages(self, **chosen: str) -> Iterator[Any]:
        with explained(f"Listing {self}", self.place):
            yield from self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, **chosen)

    def _fetch(self, part: Part, start: int, end: int) -> bytearray:
        with explained(f"Reading {self}/{part.path}", self.place):
            return fetch_range(lambda begin, stop: self._get_pieces(part, begin, stop), start, end)

    def _get_pieces(self, part: Part, start: int, end: int) -> Iterator[bytes]:
        etag = part.fingerprint.rpartition("/")[0]
        condition = {} if etag.startswith(_NO_ETAG) else {"IfMatch": f'"{etag}"'}
        response = self.client.get_object(
            Bucket=self.bucket, Key=self.prefix + part.path, Range=f"bytes={start}-{end - 1}", **condition
        )
        with closing(response["Body"]) as body:
            size = int(response["ContentRange"].rpartition("/")[2])
            # Servers without If-Match answer with any version.
            if (
                _fingerprint(response.get("ETag", ""), size, response["LastModified"].astimezone(UTC))
                != part.fingerprint
            ):
                raise SourceUnavailable(
                    f"Reading {self}/{part.path} at {self.place.endpoint}: it was rewritten since the run was planned.",
                    next_move="Run again: the next run takes it as it is then; nothing of the window was landed.",
                )
            while piece := body.read(_PIECE_BYTES):
                yield piece


def _fingerprint(etag: str, size_bytes: int, modified_at: datetime) -> str:
    """Return ETag (with the number of parts, for a multipart upload) and size; some servers give no ETag."""
    bare = etag.strip('"')
    return f"{bare or _NO_ETAG + modified_at.isoformat()}/{size_bytes}"
