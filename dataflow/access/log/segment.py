"""The segment file of a tree: one line per entry.

    index TAB hash of the line before TAB entry TAB root TAB signature LF

The first three are the leaf; root and signature are of the tree that ends with it (checkpoint.py). The hash of the line
before covers its root and signature too, so that no byte of the file is outside the tree, except the last signature,
which is checked by itself.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Self

from dataflow.access.log.checkpoint import HASH_BYTES, SIGNATURE_BYTES, Head, VerifierKey
from dataflow.access.log.entry import Entry

SEGMENT = "entries.log"
FIRST = b64encode(bytes(HASH_BYTES))
"""What the first line has in the place of the hash of the line before."""

_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Line:
    """One line of a segment, as its fields say; nothing is verified."""

    index: int
    before: bytes
    leaf: bytes
    json: bytes
    root: bytes
    signature: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Raises: ValueError."""
        index, before, json, root, signature = raw.removesuffix(b"\n").split(b"\t")
        number = int(index)
        decoded, signed = b64decode(root, validate=True), b64decode(signature, validate=True)
        if b"%d" % number != index or len(decoded) != HASH_BYTES or len(signed) != SIGNATURE_BYTES:
            raise ValueError("not a line of a segment")
        return cls(number, before, leaf_data(number, before, json), json, decoded, signed)

    @property
    def entry(self) -> Entry:
        """Return the entry. Raises: ValueError."""
        return Entry.decoded(self.json)

    def head(self, origin: str) -> Head:
        return Head(origin, self.index + 1, self.root)

    def is_signed(self, key: VerifierKey) -> bool:
        """Return whether the key has signed this root at this size; it does not say that the root is right."""
        return key.has_signed(self.head(key.name).text, self.signature)


def leaf_data(index: int, before: bytes, json: bytes) -> bytes:
    return b"%d\t%b\t%b" % (index, before, json)


def line_of(leaf: bytes, root: bytes, signature: bytes) -> bytes:
    return b"%b\t%b\t%b\n" % (leaf, b64encode(root), b64encode(signature))


def line_hash(raw: bytes) -> bytes:
    """Return the hash of a whole line as the next line has it."""
    return b64encode(sha256(raw).digest())


def read_lines(file: Path, *, start: int = 0) -> Iterator[bytes]:
    """Yield the lines from a byte on, each with its LF; a torn last line comes without. A missing file has none."""
    try:
        with file.open("rb", buffering=_READ_BYTES) as stream:
            stream.seek(start)
            yield from stream
    except FileNotFoundError:
        return


def last_line(stream: BinaryIO, size: int) -> bytes:
    """Return the last line of an open segment of this size, with its LF unless it is torn."""
    length = 4096
    while True:
        stream.seek(max(0, size - length))
        tail = stream.read(length)
        cut = tail.rfind(b"\n", 0, -1)
        if cut >= 0 or length >= size:
            return tail[cut + 1 :]
        length *= 4
