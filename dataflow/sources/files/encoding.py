"""Detect the encoding of a text file from its bytes; invalid bytes are shown escaped, never dropped."""

from __future__ import annotations

import codecs
import io
from typing import BinaryIO

from charset_normalizer import from_bytes

SAMPLE_BYTES = 256 * 1024
_CHUNK_BYTES = 1024 * 1024
_LEGACY = "cp1252"
# Of ten letters outside ASCII one that is UTF-8 is enough.
_FEWEST_SOUND = 10
# The other code pages of Windows: an export is more likely in one of these than in one of the Macintosh.
_OTHERS = ["cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp932", "gb18030", "cp949", "cp950"]

MISFIT = "�\\x"
"""Prefix of an invalid byte in the text that is read; its two hexadecimal digits follow."""


def detect_encoding(stream: BinaryIO) -> str:
    """Return the name of the Python codec of a stream; reads the stream to its end.

    In order: a byte-order mark; NULs beside Latin letters (UTF-16 without a mark); UTF-8 if the whole file is valid;
    Windows-1252, the usual encoding of office software, if the text is plausible; else detection by statistics, which
    is weak on short texts.
    """
    head = stream.read(SAMPLE_BYTES)
    for mark, codec in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return codec
    unmarked = _unmarked_utf16(head)
    if unmarked:
        return unmarked
    sound, misfits = 0, 0
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    chunk = head
    while chunk:
        if not chunk.isascii():
            text = decoder.decode(chunk)
            bad = text.count("�")
            misfits += bad
            sound += len(text) - len(text.encode("ascii", "ignore")) - bad
        chunk = stream.read(_CHUNK_BYTES)
    # A Windows-1252 text hardly ever contains UTF-8 sequences by chance: a few among bad bytes are a UTF-8 file, whose
    # other rows must not be garbled. The rows of the bad bytes are dead letters.
    if misfits == 0 or sound * _FEWEST_SOUND > misfits:
        return "utf-8"
    return _legacy(head)


def _unmarked_utf16(head: bytes) -> str | None:
    # The header has Latin letters, whose other byte is NUL in UTF-16; single-byte texts have no NULs.
    start = head[:200]
    if len(start) < 4 or b"\x00" not in start:
        return None
    odd, even = start[1::2].count(0), start[0::2].count(0)
    if odd > len(start) // 4 and not even:
        return "utf-16-le"
    return "utf-16-be" if even > len(start) // 4 and not odd else None


def _legacy(head: bytes) -> str:
    if from_bytes(head, cp_isolation=[_LEGACY]).best() is not None:
        return _LEGACY
    guess = from_bytes(head, cp_isolation=_OTHERS).best() or from_bytes(head).best()
    return guess.encoding if guess is not None else _LEGACY


def as_text(stream: BinaryIO, encoding: str) -> io.TextIOWrapper:
    """Decode a stream. Invalid bytes are escaped, and line ends inside quoted values stay unchanged."""
    return io.TextIOWrapper(stream, encoding=encoding, errors=SHOW_MISFITS, newline="")


def _show_misfit(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bytes_ = error.object[error.start : error.end]
    return "".join(f"{MISFIT}{byte:02x}" for byte in bytes_), error.end


codecs.register_error("dataflow.show_misfit", _show_misfit)
SHOW_MISFITS = "dataflow.show_misfit"
