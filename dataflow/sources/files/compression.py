"""Files that come compressed, with gzip or Zstandard: known by their first bytes, unpacked while they are read."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

import pyarrow as pa

from dataflow.errors import SourceMalformed
from dataflow.sources.files.store import Store
from dataflow.sources.protocol import Part

if TYPE_CHECKING:
    from typing_extensions import Buffer

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_BUFFER_BYTES = 1024 * 1024


def open_content(store: Store, part: Part) -> BinaryIO:
    """Open what a part holds, unpacked. Raises, while it is read: SourceMalformed where the packing is broken."""
    return unpacked(store.open(part), part.path)


def unpacked(stored: BinaryIO, path: str) -> BinaryIO:
    """Unpack a stream, if it is packed. Raises, while it is read: SourceMalformed where the packing is broken.

    The first bytes decide and not the name: HTTP clients unpack what they fetch and leave the name as it was. No
    text and no JSON begins like this.
    """
    start = cast(io.BufferedReader, stored).peek(len(_ZSTD))
    if start.startswith(_GZIP):
        content = cast(BinaryIO, gzip.GzipFile(fileobj=stored))
        return io.BufferedReader(_Unpacking(content, stored, path), _BUFFER_BYTES)
    if start.startswith(_ZSTD):
        content = pa.CompressedInputStream(pa.PythonFile(stored, mode="r"), "zstd")
        return io.BufferedReader(_Unpacking(content, stored, path), _BUFFER_BYTES)
    return stored


class _Unpacking(io.RawIOBase):
    """What an unpacking library reads, with its errors in the words of a source."""

    def __init__(self, unpacked: BinaryIO, stored: BinaryIO, path: str) -> None:
        self._unpacked = unpacked
        self._stored = stored
        self._path = path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer)
        try:
            content = self._unpacked.read(len(view))
        except (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowException, OSError) as error:
            if not _is_of_packing(error):
                raise
            raise SourceMalformed(
                f"Reading {self._path}: it is compressed, and breaks off or goes wrong on unpacking.",
                next_move="Have it delivered again, whole; nothing of the window was landed.",
            ) from error
        view[: len(content)] = content
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._unpacked.close()
            self._stored.close()
        super().close()


def _is_of_packing(error: Exception) -> bool:
    """Whether the bytes are wrong, and not the disk: Arrow raises OSError for both, with a number for the disk's."""
    return not isinstance(error, OSError) or error.errno is None
