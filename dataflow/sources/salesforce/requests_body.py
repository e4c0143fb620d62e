"""Read an answer of requests within a time, and the one module that touches private parts of requests.

It has no public way to be given a body that was read elsewhere (requests 2.33, November 2026);
tests/unit/test_private_parts.py says when these parts move.
"""

from __future__ import annotations

import time

import requests
from urllib3.exceptions import HTTPError

_CHUNK_BYTES = 256 * 1024


class TooSlow(requests.exceptions.Timeout):  # type: ignore[misc] # requests ships no types
    """An answer was still coming in when its time was over."""


def read_body(response: requests.Response, *, seconds: float) -> None:
    """Read the whole body into the response, or give up when it takes longer than `seconds`.

    A socket's time limit starts anew with every byte, so that an answer which drips would hold a worker for ever.
    Raises: TooSlow, requests' ConnectionError when the connection breaks off.
    """
    ends = time.monotonic() + seconds
    pieces: list[bytes] = []
    try:
        while piece := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            pieces.append(piece)
            if time.monotonic() > ends:
                raise TooSlow(f"the answer took longer than {seconds:g} s")
    except (HTTPError, OSError) as error:
        response.raw.close()
        if isinstance(error, TooSlow):
            raise
        raise requests.exceptions.ConnectionError("the answer broke off") from error
    response.raw.release_conn()
    # Where the library keeps what it has read.
    response._content = b"".join(pieces)
    response._content_consumed = True
