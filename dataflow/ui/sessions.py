"""Sessions of signed-in readers, and the one-time token that begins one.

Both are held in memory: a session ends with the process. A cookie holds a random id and nothing else.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dataflow.access.who import Who

IDLE = timedelta(hours=1)
ABSOLUTE = timedelta(hours=12)
_MOST_SESSIONS = 1_000
_BYTES = 32
# A wrong token has a chance of 2^-256; the limit keeps a script from filling the log and the processor.
_MOST_FAILURES = 20
_FAILURES_WITHIN = timedelta(minutes=1)


@dataclass
class Session:
    """One reader who signed in. `role` is the one shown, one of `roles`; `csrf` stands in every form."""

    session_id: str
    who: Who
    roles: tuple[str, ...]
    role: str
    csrf: str
    began_at: datetime
    seen_at: datetime
    theme: str = ""
    notices: list[str] = field(default_factory=list)
    queue: list[str] = field(default_factory=list)
    """Ids of the pairs to review, in the order in which they are shown."""
    records: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The two records of each pair that was listed."""
    planned: dict[str, Any] | None = None
    """What a run would land, as this reader asked last."""
    decided: list[str] = field(default_factory=list)
    """Ids of the pairs decided in this session, oldest first."""

    @property
    def is_preview(self) -> bool:
        """Return whether the reader looks at what another role sees."""
        return self.role != self.who.role

    def take_notices(self) -> list[str]:
        """Return the messages for the next page, once."""
        found, self.notices = self.notices, []
        return found


class Sessions:
    """The sessions of one process."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def begin(self, who: Who, roles: tuple[str, ...], *, now: datetime) -> Session:
        """Begin a session under a new id: one that a visitor brought is never taken over."""
        session = Session(
            session_id=secrets.token_urlsafe(_BYTES),
            who=who,
            roles=roles,
            role=who.role,
            csrf=secrets.token_urlsafe(_BYTES),
            began_at=now,
            seen_at=now,
        )
        with self._lock:
            while len(self._sessions) >= _MOST_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[session.session_id] = session
        return session

    def find(self, session_id: str, *, now: datetime) -> Session | None:
        """Return a session that has not expired, and note that it was used."""
        with self._lock:
            session = self._sessions.get(session_id)
            if session is None:
                return None
            if now - session.seen_at > IDLE or now - session.began_at > ABSOLUTE:
                del self._sessions[session_id]
                return None
            session.seen_at = now
            return session

    def end(self, session_id: str) -> None:
        with self._lock:
            self._sessions.pop(session_id, None)


class OneTimeToken:
    """The token that the terminal shows; the first visitor who brings it is signed in."""

    def __init__(self) -> None:
        self._secret = ""
        self._failures: list[datetime] = []
        self._lock = threading.Lock()

    def issue(self) -> str:
        """Make a new token; a former one that was not used is void."""
        with self._lock:
            self._secret = secrets.token_urlsafe(_BYTES)
            return self._secret

    def is_blocked(self, now: datetime) -> bool:
        """Return whether too many wrong tokens came within the last minute."""
        with self._lock:
            self._failures = [at for at in self._failures if now - at < _FAILURES_WITHIN]
            return len(self._failures) >= _MOST_FAILURES

    def exchange(self, presented: str, *, now: datetime) -> bool:
        """Return whether the token is right, and use it up if it is."""
        with self._lock:
            is_right = bool(self._secret) and hmac.compare_digest(presented.encode(), self._secret.encode())
            if is_right:
                self._secret = ""
            else:
                self._failures.append(now)
            return is_right
