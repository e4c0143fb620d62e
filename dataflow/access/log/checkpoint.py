"""Signed heads of a tree: C2SP checkpoints in signed notes, with Ed25519.

Source: https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_ED25519 = b"\x01"
_DASH = "\N{EM DASH}"
SIGNATURE_BYTES, HASH_BYTES = 64, 32


@dataclass(frozen=True)
class Head:
    """The state of a tree: its name, its number of entries, its root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


@dataclass(frozen=True)
class VerifierKey:
    """The public key of one tree; written as a C2SP verifier key, `name+id+key`."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ValueError."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        decoded = b64decode(encoded, validate=True)
        if not name or decoded[:1] != _ED25519 or len(decoded) != 1 + HASH_BYTES:
            raise ValueError("not a verifier key of Ed25519")
        key = cls(name, decoded[1:])
        if key.id.hex() != key_id:
            raise ValueError("the id of the verifier key is not that of its name and key")
        return key

    @property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(_ED25519 + self.public).decode()}"

    def has_signed(self, text: str, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True

    def note(self, head: Head, signature: bytes) -> str:
        """Return a signed head as a note."""
        return f"{head.text}\n{_DASH} {self.name} {b64encode(self.id + signature).decode()}\n"

    def open_note(self, note: str) -> str:
        """Return the text of a note signed by this key. Raises: ValueError."""
        text, signatures = split_note(note)
        mine = [signed[4:] for name, signed in signatures if name == self.name and signed[:4] == self.id]
        if not any(len(one) == SIGNATURE_BYTES and self.has_signed(text, one) for one in mine):
            raise ValueError(f"the note has no valid signature of {self.name}")
        return text


class Signer:
    """Sign the heads of one tree. Its representation does not show the key."""

    def __init__(self, name: str, private: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(private)
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.verifier = VerifierKey(name, public)

    def sign(self, head: Head) -> bytes:
        return self._key.sign(head.text.encode())


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Return the text of a note, and its signatures by name; none is checked. Raises: ValueError."""
    text, blank, below = note.rpartition("\n\n")
    if not blank or not below.endswith("\n"):
        raise ValueError("not a signed note")
    found = []
    for line in below.splitlines():
        dash, name, encoded = line.split(" ")
        if dash != _DASH:
            raise ValueError("not a signed note")
        found.append((name, b64decode(encoded, validate=True)))
    return text + "\n", found


def head_of(text: str) -> Head:
    """Return the head that a checkpoint's text states. Raises: ValueError."""
    origin, size, root, *_ = text.split("\n")
    decoded = b64decode(root, validate=True)
    if not origin or not size.isascii() or not size.isdecimal() or len(decoded) != HASH_BYTES:
        raise ValueError("not a checkpoint")
    return Head(origin, int(size), decoded)
