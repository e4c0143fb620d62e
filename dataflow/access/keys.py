"""Secret keys of a lake: each derived from one master secret, by lake and use.

The master secret is `access.key`; where it is not set, a file of the home that only this user reads, made once. Without
it nothing that was hashed under a derived key can be found again: back it up as a password.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from dataflow.errors import ConfigurationError
from dataflow.settings import Settings

_KEY_BYTES = 32


def derive_key(settings: Settings, *, lake_id: str, use: str) -> bytes:
    """Return the key of one use in one lake: the same as long as the master secret is the same.

    Shape: 32 bytes, HMAC-SHA256 of lake and use under the master secret (NIST SP 800-108, one block).
    Raises: ConfigurationError where the secret is too short or its file cannot be read or made.
    """
    return hmac.digest(_master(settings), f"dataflow\0{lake_id}\0{use}".encode(), hashlib.sha256)


def master_file(settings: Settings) -> Path:
    """Return the file of the master secret where `access.key` is not set."""
    return settings.home / "access" / "master.key"


def _master(settings: Settings) -> bytes:
    declared = settings.access.key
    if declared is None:
        return _kept(master_file(settings))
    master = declared.get_secret_value().encode()
    if len(master) < _KEY_BYTES:
        raise ConfigurationError(
            f"access.key has {len(master)} characters; it needs {_KEY_BYTES}.",
            next_move="Make one with `openssl rand -hex 32`.",
        )
    return master


def _kept(file: Path) -> bytes:
    """Read the file of the secret, or make it; of two processes that make it, both read the one of the first."""
    try:
        if not file.exists():
            _make(file)
        master = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"The secret of the lake's hashes, {file}, cannot be read or made ({error.strerror}).",
            next_move="Give access to it, or set access.key.",
        ) from None
    if len(master) != _KEY_BYTES:
        raise ConfigurationError(
            f"The secret of the lake's hashes, {file}, has {len(master)} bytes, not {_KEY_BYTES}.",
            next_move="Put its backup there; with another one, hashes made until now are not found again.",
        )
    return master


def _make(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    # Readable by this user alone, from its creation.
    descriptor, draft = tempfile.mkstemp(prefix=f"{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(secrets.token_bytes(_KEY_BYTES))
            out.flush()
            os.fsync(out.fileno())
        with suppress(FileExistsError):
            # Unlike a rename, a link never replaces the file of another process.
            os.link(draft, file)
    finally:
        Path(draft).unlink()
