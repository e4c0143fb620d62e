"""Send what waits in the outbox: each notification once to each channel that it is for, by severity, owner and hour.

A notification that cannot be sent waits in the outbox for the next delivery. One process delivers at a time; one that
dies between sending and noting sends again, which PagerDuty recognises by its dedup key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from dataflow.alerts.channels.channel import ALERT_KINDS, AlertChannel, AlertKind, Notification
from dataflow.errors import ConfigurationError
from dataflow.settings import AlertSettings, Settings
from dataflow.sinks.events.channel import NotTaken
from dataflow.tables.ops.incidents import SEVERITIES
from dataflow.workspace.incident_events import IncidentEvent, Outbox, parse_events
from lakehouse import LakeError, LakeLocked, Message
from lakehouse.lock import FileLease

NOTE_MESSAGE = "notified"
"""The kind of a message of the outbox that notes what a channel has had."""

_CRITICAL = SEVERITIES[0]
_NOTE_KEPT = timedelta(hours=1)
_LONGEST_WAIT_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What a delivery did for one channel: messages sent, notifications that wait, and why if one failed."""

    channel: str
    sent: int = 0
    waiting: int = 0
    failure: str = ""


@dataclass(frozen=True)
class _Notes:
    """What channels have had, by the notes of the outbox."""

    messages: tuple[Message, ...]

    def had(self, channel: str) -> set[str]:
        return {str(one) for note in self._of(channel) for one in note.body["event_ids"]}

    def sent_since(self, channel: str, since: datetime) -> int:
        return sum(bool(note.body["is_sent"]) for note in self._of(channel) if note.written_at > since)

    def outdated(self, events: Collection[str], now: datetime) -> list[str]:
        return [
            note.id
            for note in self.messages
            if note.written_at < now - _NOTE_KEPT and not set(note.body["event_ids"]) & set(events)
        ]

    def _of(self, channel: str) -> list[Message]:
        return [note for note in self.messages if note.body["channel"] == channel]


def deliver(
    settings: Settings,
    outbox: Outbox,
    *,
    now: datetime,
    unwritten: Sequence[IncidentEvent] = (),
    recorded: Collection[str] = (),
) -> list[Delivered]:
    """Send what waits; remove the events that every channel has had and that are `recorded` in the lake.

    `unwritten` are events that could not be written to the outbox.
    """
    with _alone(settings) as is_alone:
        if not is_alone:
            return []
        messages = outbox.read()
        notes = _Notes(tuple(message for message in messages if _is_note(message)))
        events = [*parse_events(messages), *unwritten]
        found = [
            _Delivery(name, declared, outbox, now=now).deliver(events, notes)
            for name, declared in settings.alerts.items()
        ]
        settled = set(recorded).intersection(*(had for _, had in found))
        left = {event.event_id for event in events} - settled
        outbox.remove([*settled, *notes.outdated(left, now)])
    return [delivered for delivered, _ in found]


class _Delivery:
    """The delivery to one channel."""

    def __init__(self, name: str, declared: AlertSettings, outbox: Outbox, *, now: datetime) -> None:
        self._name, self._declared, self._outbox, self._now = name, declared, outbox, now
        self._sent = 0

    def deliver(self, events: Sequence[IncidentEvent], notes: _Notes) -> tuple[Delivered, set[str]]:
        """Send what is due; return what was done, and the ids of the events that the channel has had or never gets."""
        had = notes.had(self._name)
        had |= {event.event_id for event in events if event.event_id not in had and not self._is_for(event)}
        pending = [event for event in events if event.event_id not in had]
        slept = self._overslept(pending)
        if slept:
            self._note(slept, is_sent=False)
            had |= {event.event_id for event in slept}
        due = [event for event in pending if event.event_id not in had and self._is_due(event)]
        room = self._declared.messages_per_hour - notes.sent_since(self._name, self._now - timedelta(hours=1))
        failure = ""
        if due and room > 0:
            try:
                failure = self._send(due, room, had)
            except ConfigurationError as error:
                failure = str(error)
        waiting = sum(event.event_id not in had for event in pending)
        return Delivered(channel=self._name, sent=self._sent, waiting=waiting, failure=failure), had

    def _send(self, due: Sequence[IncidentEvent], room: int, had: set[str]) -> str:
        kind = ALERT_KINDS.find(self._declared.kind)
        failure = ""
        with closing(kind.open(self._declared, self._name)) as channel:
            failed: set[str] = set()
            for group in _messages(due, kind):
                # What follows of an incident waits for what came before.
                keys = {event.incident_key for event in group}
                if self._sent >= room or keys & failed:
                    continue
                try:
                    channel.send([self._notification(event) for event in group])
                except NotTaken as error:
                    failure = f"The channel {self._name} of [alerts] did not take it: {error.found}. {error.next_move}"
                    if error.can_pass:
                        break
                    failed |= keys
                    continue
                self._sent += 1
                had |= {event.event_id for event in group}
                self._note(group, is_sent=True)
        return failure

    def _notification(self, event: IncidentEvent) -> Notification:
        return Notification(event, self._declared.link.replace("{incident}", event.incident_key))

    def _is_for(self, event: IncidentEvent) -> bool:
        grave = SEVERITIES.index(event.severity) <= SEVERITIES.index(self._declared.severity)
        owned = not self._declared.owners or event.owner in self._declared.owners
        return grave and owned and event.kind != "seen"

    def _is_due(self, event: IncidentEvent) -> bool:
        return event.severity == _CRITICAL or not self._declared.is_quiet_at(self._now)

    def _overslept(self, pending: Sequence[IncidentEvent]) -> list[IncidentEvent]:
        """Return the events of incidents that were opened in quiet hours and are resolved by now."""
        found: list[IncidentEvent] = []
        for of_incident in _by_incident(pending).values():
            first, last = of_incident[0], of_incident[-1]
            was_quiet = first.severity != _CRITICAL and self._declared.is_quiet_at(first.occurred_at)
            if was_quiet and (first.kind, last.kind) == ("opened", "resolved"):
                found += of_incident
        return found

    def _note(self, events: Iterable[IncidentEvent], *, is_sent: bool) -> None:
        body = {"channel": self._name, "event_ids": [event.event_id for event in events], "is_sent": is_sent}
        try:
            self._outbox.write(NOTE_MESSAGE, author="dataflow", body=body, now=self._now)
        except LakeError:
            return  # as on a full disk: sent again, which is better than not at all


def _messages(due: Sequence[IncidentEvent], kind: AlertKind) -> Iterator[list[IncidentEvent]]:
    """Yield the events of each message: all that is due together, or one by one."""
    if kind.groups:
        yield list(due)
        return
    for event in due:
        yield [event]


def _by_incident(events: Iterable[IncidentEvent]) -> Mapping[str, list[IncidentEvent]]:
    ordered = sorted(events, key=lambda event: (event.incident_key, event.event_id))
    return {key: list(group) for key, group in groupby(ordered, key=lambda event: event.incident_key)}


def _is_note(message: Message) -> bool:
    body = message.body
    return (
        message.kind == NOTE_MESSAGE
        and isinstance(body.get("channel"), str)
        and isinstance(body.get("event_ids"), list)
        and "is_sent" in body
    )


@contextmanager
def _alone(settings: Settings) -> Iterator[bool]:
    """Yield whether no other process of this home delivers; where no lock can be written, one more message is sent."""
    with ExitStack() as held:
        try:
            lease = FileLease(settings.home / "alerts", "deliver")
            held.enter_context(lease.held("notifications", wait_seconds=_LONGEST_WAIT_SECONDS))
            is_alone = True
        except LakeLocked:
            is_alone = False
        except (LakeError, OSError):
            is_alone = True
        yield is_alone


def try_channel(name: str, declared: AlertSettings, event: IncidentEvent) -> str:
    """Send one notification to a channel; return why it failed, or ""."""
    try:
        channel: AlertChannel
        with closing(ALERT_KINDS.find(declared.kind).open(declared, name)) as channel:
            channel.send([Notification(event)])
    except NotTaken as error:
        return f"{error.found}. {error.next_move}"
    except ConfigurationError as error:
        return str(error)
    return ""
