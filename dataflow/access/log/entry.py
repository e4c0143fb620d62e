"""One entry of the access log: who read what, when and why; no value of a person, no text of a statement."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class ReadEnding(StrEnum):
    """How a read ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class EntryKind(StrEnum):
    """What an entry records."""

    READ = "read"
    SET_ASIDE = "set aside"
    """The end of a segment that a killed process had not written whole."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One read by a person, or one note of the log about itself.

    `tables` and `columns` are those that the statement names, `*` for all columns; `rows` are those handed out, also of
    a read that failed later. `subjects` are references (subjects.py), `statement` is a keyed hash (fingerprint.py);
    `as_of` is the snapshot or time that was asked for, `detail` names counts and classes only.
    """

    at: datetime
    who: str
    authenticated: str
    role: str
    purpose: str
    door: str
    kind: EntryKind = EntryKind.READ
    outcome: ReadEnding = ReadEnding.ANSWERED
    tables: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: int = 0
    masked: bool = False
    subjects: tuple[str, ...] = ()
    statement: str = ""
    as_of: str = ""
    detail: str = ""

    def encoded(self) -> bytes:
        """Return canonical JSON: sorted keys, no spaces, UTF-8, on one line and without tabs."""
        return json.dumps(self.as_dict(), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    def as_dict(self) -> dict[str, Any]:
        """Return the entry in JSON types."""
        # Not `asdict`, which copies every value: that took a third of the time of an append.
        return vars(self) | {"at": self.at.astimezone(UTC).strftime(_TIME)}

    @classmethod
    def decoded(cls, data: bytes) -> Self:
        """Parse an entry; what a later version added is left out. Raises: ValueError."""
        plain = json.loads(data)
        if not isinstance(plain, dict):
            raise ValueError("not an entry")
        known = {field.name: plain[field.name] for field in fields(cls) if field.name in plain}
        try:
            known |= {name: tuple(known[name]) for name in ("tables", "columns", "subjects") if name in known}
            known["at"] = datetime.strptime(known["at"], _TIME).replace(tzinfo=UTC)
            known["kind"], known["outcome"] = EntryKind(known["kind"]), ReadEnding(known["outcome"])
            return cls(**known)
        except (KeyError, TypeError) as error:
            raise ValueError("not an entry") from error
