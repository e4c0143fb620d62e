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
from dataflow.sources.unpacking import DEFLATE, DELIVER_UNPACKED, LARGEST_ANSWER_BYTES, ZSTANDARD, Codec

if TYPE_CHECKING:
    from typing_extensions import Buffer

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZIP = b"PK\x03\x04"
_BUFFER_BYTES = 1024 * 1024


def open_content(store: Store, part: Part) -> BinaryIO:
    """Open what a part holds, unpacked. Raises, while it is read: as `unpacked`."""
    return unpacked(store.open(part), part.path)


def read_whole(store: Store, part: Part) -> bytes:
    """Read what a part holds, unpacked, into memory. Raises: as `unpacked`, SourceMalformed where it is too large."""
    pieces: list[bytes] = []
    held = 0
    with open_content(store, part) as stream:
        while piece := stream.read(_BUFFER_BYTES):
            pieces.append(piece)
            held += len(piece)
            if held > LARGEST_ANSWER_BYTES:
                raise SourceMalformed(
                    f"Reading {part.path}: it is larger than {LARGEST_ANSWER_BYTES:,} bytes, the most for one page.",
                    next_move="Have it delivered in smaller pages; nothing of the window was landed.",
                )
    return b"".join(pieces)


def unpacked(stored: BinaryIO, path: str) -> BinaryIO:
    """Unpack a stream, if it is packed.

    The first bytes decide and not the name: HTTP clients unpack what they fetch and leave the name as it was. No
    text and no JSON begins like this.
    Raises: SourceMalformed for a ZIP archive; while it is read, where the packing is broken, or the content is far
    larger than records become (`dataflow.sources.unpacking`).
    """
    start = cast(io.BufferedReader, stored).peek(len(_ZSTD))
    if start.startswith(_ZIP):
        stored.close()
        raise SourceMalformed(
            f"Reading {path}: it is a ZIP archive, whatever its name ends in (an Excel workbook is one too).",
            next_move="Have its files delivered unpacked, or packed one by one with gzip or zstd.",
        )
    if start.startswith(_GZIP):
        packed = _Packed(stored)
        content = cast(BinaryIO, gzip.GzipFile(fileobj=cast(BinaryIO, packed)))
        return io.BufferedReader(_Unpacking(content, packed, DEFLATE, path), _BUFFER_BYTES)
    if start.startswith(_ZSTD):
        packed = _Packed(stored)
        content = pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")
        return io.BufferedReader(_Unpacking(content, packed, ZSTANDARD, path), _BUFFER_BYTES)
    return stored


def is_packed(start: bytes) -> bool:
    """Return whether a file with these first bytes is packed."""
    return start.startswith((_GZIP, _ZSTD, _ZIP))


class _Packed:
    """The stored stream as unpacking libraries read it, counted: a stream of a bucket has no position to ask."""

    def __init__(self, stored: BinaryIO) -> None:
        self._stored = stored
        self.taken = 0

    @property
    def closed(self) -> bool:
        return self._stored.closed

    def read(self, size: int = -1) -> bytes:
        content = self._stored.read(size)
        self.taken += len(content)
        return content

    def close(self) -> None:
        self._stored.close()


class _Unpacking(io.RawIOBase):
    """What an unpacking library reads, with its errors as those of a source, up to the limit of its codec."""

    def __init__(self, unpacked: BinaryIO, packed: _Packed, codec: Codec, path: str) -> None:
        self._unpacked = unpacked
        self._packed = packed
        self._codec = codec
        self._path = path
        self._given = 0

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
        self._given += len(content)
        if self._codec.is_excessive(self._given, self._packed.taken):
            raise SourceMalformed(
                f"Reading {self._path}: {self._codec.excess(self._given, self._packed.taken)}; exports stay below.",
                next_move=f"{DELIVER_UNPACKED} Nothing of the window was landed.",
            )
        view[: len(content)] = content
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._unpacked.close()
            self._packed.close()
        super().close()


def _is_of_packing(error: Exception) -> bool:
    """Whether the bytes are wrong, and not the disk: Arrow raises OSError for both, with a number for the disk's."""
    return not isinstance(error, OSError) or error.errno is None
