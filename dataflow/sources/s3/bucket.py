"""A bucket as a store of parts. An object is known by its key, ETag and size; every read says which version it wants.

Objects are replaced whole, so what is read is one version from its first byte to its last: a GET names the ETag that
was listed (If-Match), and an object that was rewritten in between, even between two ranges, is noticed by the server.
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
    """The objects below one prefix of a bucket, by what follows the prefix."""

    # Under a flat prefix a new file would otherwise have all the old ones read again.
    windows_by_arrival = True
    # A listing is the bucket's own word, and exports are often deleted by a rule after some days.
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
        """List the objects of a pattern, page by page; only keys that begin like the pattern are asked for.

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
        """The listing has said it all."""
        return [Part(file.path, file.fingerprint, file.size_bytes, file.modified_at) for file in files]

    def check_unchanged(self, part: Part) -> None:
        """Nothing to look at: each read names the version that it wants."""

    def open(self, part: Part) -> BinaryIO:
        """Open an object. Raises, while it is read: SourceUnavailable where it is another version by now."""

        def fetch(start: int, end: int) -> bytearray:
            with explained(f"Reading {self}/{part.path}", self.place):
                return fetch_range(lambda begin, stop: self._get_pieces(part, begin, stop), start, end)

        return io.BufferedReader(ObjectStream(fetch, part.size_bytes), _BUFFER_BYTES)

    @contextmanager
    def as_file(self, part: Part) -> Iterator[Path]:
        """Have a copy on this machine while the block lasts: Parquet is read from its end and in jumps."""
        with tempfile.TemporaryDirectory(prefix="dataflow-s3-") as folder:
            file = Path(folder) / "part"
            with self.open(part) as stream, file.open("wb") as copy:
                shutil.copyfileobj(stream, copy, RANGE_BYTES)
            yield file

    def folders(self) -> list[str]:
        """Name what stands before the first slash of the keys."""
        pages = self._pages(Prefix=self.prefix, Delimiter="/")
        prefixes = (one["Prefix"] for page in pages for one in page.get("CommonPrefixes", ()))
        return sorted(prefix.removeprefix(self.prefix).rstrip("/") for prefix in prefixes)

    def _pages(self, **chosen: str) -> Iterator[Any]:
        with explained(f"Listing {self}", self.place):
            yield from self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, **chosen)

    def _get_pieces(self, part: Part, start: int, end: int) -> Iterator[bytes]:
        etag = part.fingerprint.rpartition("/")[0]
        condition = {} if etag.startswith(_NO_ETAG) else {"IfMatch": f'"{etag}"'}
        response = self.client.get_object(
            Bucket=self.bucket, Key=self.prefix + part.path, Range=f"bytes={start}-{end - 1}", **condition
        )
        with closing(response["Body"]) as body:
            size = int(response["ContentRange"].rpartition("/")[2])
            # Servers that know no If-Match answer with whatever they have.
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
    """ETag (of a multipart upload with the number of its parts) and size; few servers give no ETag."""
    bare = etag.strip('"')
    return f"{bare or _NO_ETAG + modified_at.isoformat()}/{size_bytes}"
