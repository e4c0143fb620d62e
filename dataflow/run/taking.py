"""Take the waiting messages of the inbox into a run: each message once, in the commit of the run that applies it.

Only a run that publishes takes messages; landing, check, maintenance and restore leave them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

import pyarrow as pa

from dataflow.settings import Settings
from dataflow.tables.ops import INBOX_TAKEN
from dataflow.workspace.report import NOTES_FACT, StepReport
from dataflow.workspace.workspace import Workspace
from lakehouse import Inbox, InboxContents, Message
from lakehouse.inbox import ids_taken
from lakehouse.plural import agreeing, counted

# Modules by name, imported at first use: a run without messages does not need what they import.
KINDS = {
    "judgement": "dataflow.resolve.judgements.messages",
    "letter_decision": "dataflow.validate.dead_letter_decisions",
}

_NAMED = 5


class Kind(Protocol):
    """The functions of a module for the messages of one kind."""

    def parse(self, message: Message) -> Any:
        """Read the body. Raises: ValueError."""

    def stage(self, ws: Workspace, parsed: Sequence[Any], settings: Settings) -> list[str]:
        """Stage what the messages decide, in their order; return the outcome of each."""


@dataclass(frozen=True)
class Taken:
    """The messages that a run took: ids to remove after its commit, and its report; both empty without messages."""

    ids: tuple[str, ...] = ()
    report: StepReport | None = None


def take_inbox(ws: Workspace, settings: Settings, inbox: Inbox) -> Taken:
    """Stage every message that no earlier commit took, with its id; the commit of the workspace takes them.

    Messages that an earlier run took but did not remove are removed; files that are not messages are set aside. A
    message of a kind that only a later version knows stays.
    """
    found = inbox.read()
    before = ids_taken(ws.con, found.messages, relation=ws.before(INBOX_TAKEN))
    inbox.remove(before)
    waiting = [message for message in found.messages if message.id not in set(before)]
    read, broken, unknown = _parsed(waiting)
    inbox.set_aside(found.damaged)
    inbox.set_aside_messages(broken)
    outcomes = {
        message.id: outcome
        for kind, pairs in read.items()
        for (message, _), outcome in zip(
            pairs, _kind(kind).stage(ws, [body for _, body in pairs], settings), strict=True
        )
    }
    taken = [message for message in waiting if message.id in outcomes]
    if taken:
        _stage_taken(ws, taken, outcomes)
    aside = (*found.damaged, *(message.id for message in broken))
    notes = [*_notes(taken, outcomes), *_notes_on_files(found, inbox, aside, unknown)]
    if not taken and not notes:
        return Taken()
    report = StepReport(
        stage="inbox",
        subject="messages",
        rows_in=len(taken) + len(aside),
        rows_out=len(taken),
        set_aside=len(aside),
        facts={NOTES_FACT: notes} if notes else {},
    )
    return Taken(tuple(message.id for message in taken), report)


def _kind(name: str) -> Kind:
    return cast(Kind, import_module(KINDS[name]))


def _parsed(
    messages: Sequence[Message],
) -> tuple[dict[str, list[tuple[Message, Any]]], list[Message], list[Message]]:
    """Return messages with their bodies by kind, those whose body cannot be read, and those of an unknown kind."""
    read: dict[str, list[tuple[Message, Any]]] = {}
    broken, unknown = [], []
    for message in messages:
        if message.kind not in KINDS:
            unknown.append(message)
            continue
        try:
            read.setdefault(message.kind, []).append((message, _kind(message.kind).parse(message)))
        except ValueError:
            broken.append(message)
    return {kind: pairs for kind, pairs in read.items() if pairs}, broken, unknown


def _stage_taken(ws: Workspace, taken: Sequence[Message], outcomes: dict[str, str]) -> None:
    columns = {
        "message_id": pa.array([message.id for message in taken], pa.string()),
        "kind": pa.array([message.kind for message in taken], pa.string()),
        "author": pa.array([message.author for message in taken], pa.string()),
        "written_at": pa.array([message.written_at for message in taken], pa.timestamp("us", tz="UTC")),
        "outcome": pa.array([outcomes[message.id] for message in taken], pa.string()),
    }
    ws.con.register("taken_arrow", pa.table(columns))
    ws.append(INBOX_TAKEN, f"SELECT *, {ws.run.now_sql} AS taken_at FROM taken_arrow")
    ws.con.unregister("taken_arrow")


def _notes(taken: Sequence[Message], outcomes: dict[str, str]) -> list[str]:
    """Name the messages that could not be applied; ops.inbox_taken records them too."""
    return [
        f"{message.kind} {message.id} of {message.written_at:%Y-%m-%d %H:%M} UTC: {outcomes[message.id]}"
        for message in taken
        if outcomes[message.id] != "applied"
    ]


def _notes_on_files(found: InboxContents, inbox: Inbox, aside: Sequence[str], unknown: Sequence[Message]) -> list[str]:
    notes = []
    if aside:
        count = len(aside)
        are, were = agreeing(count, "is not a message", "are not messages"), agreeing(count, "was", "were")
        notes.append(f"{counted(count, 'file')} of the inbox {inbox} {are} and {were} set aside: {_listed(aside)}")
    if found.unreadable:
        files = counted(len(found.unreadable), "file")
        notes.append(f"{files} of the inbox {inbox} cannot be read: {_listed(found.unreadable)}")
    for kind, count in sorted(Counter(message.kind for message in unknown).items()):
        waits = agreeing(count, "waits", "wait")
        notes.append(f"{counted(count, 'message')} of the kind {kind} {waits} for a version of DataFlow that knows it")
    return notes


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
