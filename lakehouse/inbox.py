"""The inbox: decisions made while a run holds the lake, as small immutable messages beside it.

A message is written without a lock. The next committer reads the inbox, applies each message and records its id in a
table of taken messages, all in its own transaction, and removes the message after the commit. A committer that crashes
in between leaves messages whose ids are in that table: the next one removes them without applying them.

Readers read the inbox first and the lake after it, and apply to their result the messages that this lake has not
taken: a message taken meanwhile is neither missed nor counted twice.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, Protocol

import duckdb

from lakehouse.errors import LakeConflict, MessageTooLarge
from lakehouse.table import Table, column_list

LARGEST_MESSAGE_BYTES = 1_000_000
"""The limit, because every reader reads all waiting messages; a larger decision is several messages."""

_SUFFIX = ".json"
_TIME = "%Y%m%dT%H%M%S%fZ"
_NAME = re.compile(r"(\d{8}T\d{12}Z)-[0-9a-f]{16}\.json")
_KIND = re.compile(r"[a-z][a-z_]*")
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


class MessageStore(Protocol):
    """The store of messages: a folder, or a prefix of a bucket."""

    def names(self) -> list[str]:
        """Return the names of all files, unordered. Raises: LakeUnreachable."""

    def names_set_aside(self) -> list[str]:
        """Return the names of the files that were set aside."""

    def read(self, name: str, *, limit: int) -> bytes:
        """Read at most `limit` bytes. Raises: FileNotFoundError, another OSError."""

    def put_if_absent(self, name: str, data: bytes) -> None:
        """Write atomically. Raises: FileExistsError, LakeUnwritable."""

    def remove(self, name: str) -> None:
        """Remove; a file that is missing or cannot be removed is not an error."""

    def set_aside(self, name: str) -> None:
        """Move a file that is not a message to where it is not listed, if possible."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message. Ids are in order of time: a message sorts after all that existed when its writer began."""

    id: str
    kind: str
    author: str
    written_at: datetime
    body: Mapping[str, Any]


@dataclass(frozen=True)
class InboxContents:
    """The contents of an inbox: messages in order; names of files that are malformed, unreadable, or were set aside."""

    messages: tuple[Message, ...] = ()
    damaged: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()

    def of_kind(self, kind: str) -> tuple[Message, ...]:
        """Return the messages of one kind, in order."""
        return tuple(message for message in self.messages if message.kind == kind)


class Inbox:
    """The messages of one lake."""

    def __init__(self, store: MessageStore) -> None:
        self._store = store
        self._newest: datetime | None = None

    def __str__(self) -> str:
        return str(self._store)

    def write(self, kind: str, *, author: str, body: Mapping[str, Any], now: datetime) -> Message:
        """Write a message and return it when it is durable.

        Raises: MessageTooLarge, LakeUnwritable; ValueError for a body that is not JSON or holds invalid Unicode.
        """
        message = Message(id=self._next_id(now), kind=kind, author=author, written_at=now.astimezone(UTC), body=body)
        data = _encoded(message)
        if len(data) > LARGEST_MESSAGE_BYTES:
            raise MessageTooLarge(
                f"Writing a message to the inbox {self}: it has {len(data):,} bytes, the limit is "
                f"{LARGEST_MESSAGE_BYTES:,}; write several smaller messages"
            )
        self._store.put_if_absent(message.id + _SUFFIX, data)
        return message

    def read(self) -> InboxContents:
        """Read every message. A damaged, foreign or unreadable file is listed, and does not stop the reading.

        Raises: LakeUnreachable when the inbox itself cannot be read.
        """
        messages, damaged, unreadable = [], [], []
        for name in self._names():
            if _time_of(name) is None:
                damaged.append(name)
                continue
            try:
                messages.append(_decoded(name, self._store.read(name, limit=LARGEST_MESSAGE_BYTES + 1)))
            except FileNotFoundError:
                continue  # Taken and removed since it was listed.
            except OSError:
                unreadable.append(name)
            except (ValueError, RecursionError):
                damaged.append(name)
        return InboxContents(
            tuple(messages), tuple(damaged), tuple(unreadable), tuple(sorted(self._store.names_set_aside()))
        )

    def remove(self, ids: Iterable[str]) -> None:
        """Remove messages that a committed transaction took. One that cannot be removed is not taken again, because its
        id is recorded.
        """
        for message_id in ids:
            self._store.remove(message_id + _SUFFIX)

    def set_aside(self, names: Iterable[str]) -> None:
        """Set files aside that are not messages; they are kept."""
        for name in names:
            self._store.set_aside(name)

    def set_aside_messages(self, messages: Iterable[Message]) -> None:
        """Set messages aside whose body is invalid for their kind; they are kept."""
        self.set_aside(message.id + _SUFFIX for message in messages)

    def _names(self) -> list[str]:
        """Return the names of all files in order, and remember the newest time of an id."""
        names = sorted(self._store.names())
        times = [time for time in map(_time_of, names) if time is not None]
        self._newest = max([*times[-1:], self._newest or _EARLIEST])
        return names

    def _next_id(self, now: datetime) -> str:
        # After the clock was set back, a later message must still sort after an earlier one.
        if self._newest is None:
            self._names()
        assert self._newest is not None
        self._newest = max(now.astimezone(UTC), self._newest + timedelta(microseconds=1))
        return f"{self._newest:{_TIME}}-{secrets.token_hex(8)}"


def without_taken(con: duckdb.DuckDBPyConnection, contents: InboxContents, *, relation: str) -> InboxContents:
    """Return the contents without the messages that the lake on `con` has taken; an empty inbox costs no statement.

    `relation` has the taken ids (message_id); a lake of an earlier version lacks it.
    """
    done = set(ids_taken(con, contents.messages, relation=relation))
    if not done:
        return contents
    return replace(contents, messages=tuple(message for message in contents.messages if message.id not in done))


def ids_taken(con: duckdb.DuckDBPyConnection, messages: Sequence[Message], *, relation: str) -> list[str]:
    """Return the ids of the messages that the lake on `con` has taken."""
    if not messages:
        return []
    ids = [message.id for message in messages]
    try:
        rows = con.execute(
            f"SELECT message_id FROM {relation} WHERE message_id IN (SELECT unnest(?))", [ids]
        ).fetchall()
    except duckdb.CatalogException:
        return []
    return [str(message_id) for (message_id,) in rows]


def claim(con: duckdb.DuckDBPyConnection, ids: str, *, taken: Table, is_alone: bool) -> None:
    """Ensure, inside the committing transaction, that no other commit takes the same messages.

    `ids` is a SELECT of message_id, not yet written to `taken`. On a server's catalogue inserts do not conflict, but
    two updates of one row do. So where the lake is not held alone, each taker rewrites the newest row, or the table's
    comment while the table is empty (measured November 2026).
    Raises: LakeConflict when another commit has taken one of them; the commit itself raises it for a concurrent one.
    """
    table = taken.in_lake
    row = con.execute(f"SELECT count(*) FROM {table} SEMI JOIN ({ids}) USING (message_id)").fetchone()
    if row and row[0]:
        raise LakeConflict(
            f"Taking messages from the inbox: another commit has taken {row[0]} of them since this one read them; "
            "run again"
        )
    if is_alone:
        return
    newest = f"message_id = (SELECT max(message_id) FROM {table})"
    row = con.execute(f"UPDATE {table} SET message_id = message_id WHERE {newest}").fetchone()
    if not row or not row[0]:
        con.execute(f"COMMENT ON TABLE {table} IS 'ids of the messages taken from the inbox'")


def laid_over(table: Table, rows: str) -> str:
    """Return the relation of a lake's table in which `rows`, a SELECT by name, replace rows of the same keys."""
    keys = column_list(table.key)
    return f"(SELECT * FROM {table.in_lake} ANTI JOIN ({rows}) USING ({keys}) UNION ALL BY NAME ({rows}))"


def _time_of(name: str) -> datetime | None:
    """Return the time in the name of a message, where a later one is possible."""
    if not _NAME.fullmatch(name):
        return None
    try:
        time = datetime.strptime(name.partition("-")[0], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return time if time < _LATEST else None


def _encoded(message: Message) -> bytes:
    if not _KIND.fullmatch(message.kind):
        raise ValueError(f"{message.kind!r} is not a kind of message")
    plain = {
        "id": message.id,
        "kind": message.kind,
        "author": message.author,
        "written_at": message.written_at.isoformat(),
        "body": message.body,
    }
    return json.dumps(plain, ensure_ascii=False, allow_nan=False).encode()


def _decoded(name: str, data: bytes) -> Message:
    """Parse a message. Raises: ValueError for one that `write` could not have written."""
    if len(data) > LARGEST_MESSAGE_BYTES:
        raise ValueError("too large")
    plain = json.loads(data.decode(), parse_constant=_refuse_constant)
    # Escapes can encode lone surrogates, which tables refuse.
    json.dumps(plain, ensure_ascii=False).encode()
    match plain:
        case {"id": str(key), "kind": str(kind), "author": str(author), "written_at": str(at), "body": dict(body)}:
            written_at = datetime.fromisoformat(at)
            if key + _SUFFIX == name and _KIND.fullmatch(kind) and written_at.tzinfo is not None:
                return Message(id=key, kind=kind, author=author, written_at=written_at, body=body)
    raise ValueError("not a message")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
