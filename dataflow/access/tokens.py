"""Tokens: how a tool without a user of its own reads as a role.

A token is shown once and stored as its SHA-256 (256 random bits need no salt and no slow hash). One file for each, in
the home: `DATAFLOW_TOKEN`, in the environment or .env, makes a command read by it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dataflow.errors import UsageError
from dataflow.settings import Settings

_FORM = re.compile(r"dft_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")
_BYTES = 32
_MOST_DAYS = 366
"""A token is valid for at most a year."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """What is known of an issued token. `digest` is the SHA-256 of the token."""

    token_id: str
    role: str
    digest: str
    issued_by: str
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def state(self, now: datetime) -> str:
        """Return whether the token is valid: valid, revoked or expired."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if now >= self.expires_at else "valid"


def issue_token(settings: Settings, *, role: str, days: int, issued_by: str, now: datetime) -> tuple[Token, str]:
    """Issue a token; return what is known of it, and the token itself, which nothing stores.

    Raises: UsageError for a number of days outside the bounds.
    """
    if not 1 <= days <= _MOST_DAYS:
        raise UsageError(f"A token is valid for 1 to {_MOST_DAYS} days.")
    token_id = secrets.token_hex(8)
    secret = f"dft_{token_id}_{secrets.token_urlsafe(_BYTES)}"
    token = Token(
        token_id=token_id,
        role=role,
        digest=_digest(secret),
        issued_by=issued_by,
        issued_at=now,
        expires_at=now + timedelta(days=days),
    )
    _write(settings, token)
    return token, secret


def list_tokens(settings: Settings) -> list[Token]:
    """List the issued tokens, oldest first. Raises: UsageError for a file that is not a token's."""
    found = [_read(path) for path in _folder(settings).glob("*.json")]
    return sorted(found, key=lambda token: (token.issued_at, token.token_id))


def revoke_token(settings: Settings, token_id: str, *, now: datetime) -> Token:
    """Revoke a token, given by its id or the beginning of it. Raises: UsageError unless exactly one is meant."""
    meant = [token for token in list_tokens(settings) if token_id and token.token_id.startswith(token_id)]
    if len(meant) != 1:
        raise UsageError(
            f"{len(meant)} tokens have an id that begins with {token_id}.",
            next_move="`dataflow token list` has the ids.",
        )
    revoked = replace(meant[0], revoked_at=meant[0].revoked_at or now)
    _write(settings, revoked)
    return revoked


def check_token(settings: Settings, secret: str, *, now: datetime) -> Token:
    """Return the valid token of a secret, and note its use. Raises: UsageError, which does not repeat the secret."""
    form = _FORM.fullmatch(secret)
    path = _folder(settings) / f"{form[1]}.json" if form else None
    token = _read(path) if path is not None and path.is_file() else None
    # The comparison takes the same time wherever the digests differ.
    if token is None or not hmac.compare_digest(token.digest, _digest(secret)):
        raise UsageError(
            "DATAFLOW_TOKEN is not a token of this home.", next_move="Have one issued: `dataflow token issue`."
        )
    if (state := token.state(now)) != "valid":
        raise UsageError(
            f"The token {token.token_id} is {state}.", next_move="Have another issued: `dataflow token issue`."
        )
    used = replace(token, last_used_at=now)
    # A reader may be unable to write here; the token stays valid.
    with suppress(OSError):
        _write(settings, used)
    return used


def _folder(settings: Settings) -> Path:
    return settings.home / "access" / "tokens"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _write(settings: Settings, token: Token) -> None:
    folder = _folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{token.token_id}.json"
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    values = {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(token).items()
    }
    draft.write_text(json.dumps(values), encoding="utf-8")
    draft.replace(path)


def _read(path: Path) -> Token:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        times = {
            name: datetime.fromisoformat(value).astimezone(UTC)
            for name, value in values.items()
            if name.endswith("_at") and value is not None
        }
        return Token(**{**values, **times})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"The file of a token, {path}, cannot be read: {type(error).__name__}.",
            next_move="Give this user access, or remove it: the token is then no longer valid.",
        ) from None
