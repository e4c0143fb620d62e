"""The keys of the access log: one that signs the heads of a tree, one that hashes statements.

They come from the settings (`audit.signing_key`, `audit.hash_key`), as workers need that share no disk; else each
writer makes its own once, in files that only its user can read. The public key is beside the log.
"""

from __future__ import annotations

import os
import secrets
from base64 import b64decode
from binascii import Error as NotBase64
from contextlib import suppress
from pathlib import Path

from pydantic import SecretStr

from dataflow.errors import ConfigurationError

KEY_BYTES = 32
PUBLIC_KEY = "public.key"
SIGNING_KEY, HASH_KEY = "signing.key", "hash.key"
_SECRET_FILE = 0o600


def read_secret(declared: SecretStr | None, *, setting: str) -> bytes | None:
    """Return a key of the settings, None without one. Raises: ConfigurationError unless it is 32 bytes in base64."""
    if declared is None:
        return None
    try:
        key = b64decode(declared.get_secret_value(), validate=True)
    except (NotBase64, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigurationError(
            f"{setting} is not a key of {KEY_BYTES} random bytes in base64.",
            next_move="Make one with `openssl rand -base64 32`.",
        )
    return key


def own_key(file: Path) -> bytes:
    """Return the key in a file of this user, made at first use. Raises: OSError, ConfigurationError.

    Two processes can make it at the same time: the first one's is the key of both.
    """
    try:
        return _read(file)
    except FileNotFoundError:
        pass
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _SECRET_FILE)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(KEY_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink(missing_ok=True)
    return _read(file)


def _read(file: Path) -> bytes:
    key = file.read_bytes()
    if len(key) != KEY_BYTES:
        raise ConfigurationError(
            f"The key {file} of the access log is damaged: it has {len(key)} bytes instead of {KEY_BYTES}.",
            next_move="Restore it from a backup, or move its folder aside, which begins a new log.",
        )
    return key
