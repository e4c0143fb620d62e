"""The keys of masks: one for each role, lake and generation.

Without the key a hash cannot be computed for a known value, so it is not a look-up of known addresses; and two roles
cannot join their marts.
"""

from __future__ import annotations

import hashlib
import hmac

from dataflow.access.keys import derive_key
from dataflow.settings import Settings

_BLOCK_BYTES = 64
"""The block of SHA-256."""


def mask_key(settings: Settings, *, role: str, lake_id: str) -> bytes:
    """Return the key of a role's masks in a lake. Raises: ConfigurationError."""
    generation = settings.access.key_generations.get(role, 1)
    return derive_key(settings, lake_id=lake_id, use=f"mask\0{role}\0{generation}")


def key_check(key: bytes) -> str:
    """Return a value that differs for different keys and does not reveal them."""
    return hmac.new(key, b"key check", hashlib.sha256).hexdigest()[:16]


def pads(key: bytes) -> tuple[bytes, bytes]:
    """Return the inner and the outer block of HMAC (RFC 2104, section 2)."""
    block = key.ljust(_BLOCK_BYTES, b"\0")
    return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)
