"""Stream an object of any size in constant memory, and resume after lost connections."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from dataflow.sources.s3.error_map import is_cut

if TYPE_CHECKING:
    from typing_extensions import Buffer

RANGE_BYTES = 8 * 1024 * 1024
"""Bytes per request. A reader is slower than the network, and a server closes an idle connection."""

_ATTEMPTS = 6

GetPieces = Callable[[int, int], Iterable[bytes]]
"""Return the bytes from the first number up to the second, exclusive, in pieces; raise on a lost connection."""


class ObjectStream(io.RawIOBase):
    """Read an object range by range by `fetch`."""

    def __init__(self, fetch: Callable[[int, int], bytearray], size_bytes: int) -> None:
        self._fetch = fetch
        self._size = size_bytes
        self._place = 0
        self._range = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer)
        if not self._range and self._place < self._size:
            self._range = memoryview(self._fetch(self._place, min(self._place + RANGE_BYTES, self._size)))
            self._place += len(self._range)
        count = min(len(view), len(self._range))
        view[:count] = self._range[:count]
        self._range = self._range[count:]
        return count


def fetch_range(get_pieces: GetPieces, start: int, end: int) -> bytearray:
    """Fetch a whole range; after a lost connection resume at the next byte. Raises: the error of the last try."""
    held = bytearray()
    for attempt in Retrying(
        retry=retry_if_exception(is_cut),
        wait=wait_random_exponential(multiplier=0.1, max=10),
        stop=stop_after_attempt(_ATTEMPTS),
        reraise=True,
    ):
        with attempt:
            for piece in get_pieces(start + len(held), end):
                held += piece
    return held
