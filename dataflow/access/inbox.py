"""Find the inbox of a lake, and read the messages that the lake has not taken."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from dataflow.tables.ops import INBOX_TAKEN
from lakehouse import Inbox, InboxContents, LakeLocation, MessageFolder
from lakehouse.inbox import without_taken
from lakehouse.message_files import OUTBOX

if TYPE_CHECKING:
    from dataflow.access.message_bucket import MessageBucket


def inbox_at(location: LakeLocation) -> Inbox | None:
    """Return the inbox of a lake; None where it has no place beside the data."""
    store = _store_at(location)
    return None if store is None else Inbox(store)


def outbox_at(location: LakeLocation) -> Inbox | None:
    """Return the messages that leave the lake, in a folder of its inbox; None where that has no place."""
    inbox = _store_at(location)
    return None if inbox is None else Inbox(inbox.below(OUTBOX))


def read_inbox(location: LakeLocation) -> InboxContents:
    """Read the messages beside a lake, before the lake is opened.

    In that order, a message that a run takes in between is in the lake; in the reverse order it would be in neither.
    """
    inbox = inbox_at(location)
    return inbox.read() if inbox is not None else InboxContents()


def leave_out_taken(con: duckdb.DuckDBPyConnection, contents: InboxContents) -> InboxContents:
    """Leave out the messages that the lake on `con` has taken."""
    return without_taken(con, contents, relation=INBOX_TAKEN.in_lake)


def _store_at(location: LakeLocation) -> MessageFolder | MessageBucket | None:
    place = location.inbox_place
    if isinstance(place, str) and location.s3 is not None:
        # Imported late: the client of AWS takes a quarter of a second.
        from dataflow.access.message_bucket import MessageBucket

        return MessageBucket.of(place, location.s3)
    return MessageFolder(place) if isinstance(place, Path) else None
