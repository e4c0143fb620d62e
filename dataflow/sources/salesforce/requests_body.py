"""Read an answer of requests within limits of time and size: the one module that touches private parts of requests.

It has no public way to be given a body that was read elsewhere (requests 2.33, November 2026);
tests/unit/test_private_parts.py says when these parts move.
"""

from __future__ import annotations

import time

import requests
from urllib3.exceptions import HTTPError

from dataflow.sources.unpacking import DEFLATE, LARGEST_ANSWER_BYTES

_CHUNK_BYTES = 256 * 1024


class TooSlow(requests.exceptions.Timeout):  # type: ignore[misc] # requests ships no types
    """An answer was still coming in when its time was over."""


class TooLarge(requests.exceptions.RequestException):  # type: ignore[misc] # requests ships no types
    """An answer does not fit memory, or unpacks to far more than records do."""


def read_body(response: requests.Response, *, seconds: float) -> None:
    """Read the whole body into the response, up to a limit of time and of bytes.

    A socket's time limit starts anew with every byte, so an answer that drips would hold a worker without end.
    urllib3 unpacks no more than what is asked for, so an answer is refused before it fills memory.
    Raises: TooSlow, TooLarge, requests' ConnectionError when the connection breaks off.
    """
    ends = time.monotonic() + seconds
    pieces: list[bytes] = []
    unpacked = 0
    try:
        while piece := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            pieces.append(piece)
            unpacked += len(piece)
            _check_size(unpacked, packed=response.raw.tell())
            if time.monotonic() > ends:
                raise TooSlow(f"the answer took longer than {seconds:g} s")
    except (HTTPError, OSError) as error:
        response.raw.close()
        if isinstance(error, TooSlow | TooLarge):
            raise
        raise requests.exceptions.ConnectionError("the answer broke off") from error
    response.raw.release_conn()
    # Where the library keeps what it has read.
    response._content = b"".join(pieces)
    response._content_consumed = True


def _check_size(unpacked: int, *, packed: int) -> None:
    """Raises: TooLarge."""
    if unpacked > LARGEST_ANSWER_BYTES:
        raise TooLarge(f"the answer is larger than {LARGEST_ANSWER_BYTES:,} bytes")
    if DEFLATE.is_excessive(unpacked, packed):
        raise TooLarge(DEFLATE.excess(unpacked, packed))
