"""What every kind of channel shares: notifications, their text, and the registry of kinds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from checks.registry import Registry
from dataflow.settings import AlertSettings
from dataflow.workspace.incident_events import IncidentEvent

_VERBS = {"opened": "opened", "acknowledged": "acknowledged", "resolved": "resolved"}


@dataclass(frozen=True)
class Notification:
    """One event of an incident as a channel reports it. It holds no value of a customer, nor who acknowledged it."""

    event: IncidentEvent
    link: str = ""

    @property
    def title(self) -> str:
        """Return what happened to which incident, in one line."""
        event = self.event
        return f"[{event.severity}] {event.rule} of {event.object} ({event.cause}) {_VERBS[event.kind]}"

    @property
    def text(self) -> str:
        """Return the notification for people, in several lines."""
        event = self.event
        where = f"{self.link}\n" if self.link else ""
        by = f"Run {event.run_id}. " if event.run_id else ""
        return (
            f"{self.title}\n{event.summary}\n{where}{by}Owner: {event.owner}. dataflow alerts show {event.incident_key}"
        )

    def content(self) -> dict[str, Any]:
        """Return the notification for programs."""
        event = self.event
        return {
            "event_id": event.event_id,
            "event": event.kind,
            "incident": event.incident_key,
            "rule": event.rule,
            "object": event.object,
            "cause": event.cause,
            "severity": event.severity,
            "owner": event.owner,
            "summary": event.summary,
            "run_id": event.run_id,
            "occurred_at": event.occurred_at.isoformat(),
            **({"link": self.link} if self.link else {}),
        }


def headline(notifications: Sequence[Notification]) -> str:
    """Return the subject of one message with several notifications."""
    if len(notifications) == 1:
        return notifications[0].title
    counts = {kind: sum(one.event.kind == kind for one in notifications) for kind in _VERBS}
    named = ", ".join(f"{count} {_VERBS[kind]}" for kind, count in counts.items() if count)
    return f"{len(notifications)} notifications of incidents: {named}"


class AlertChannel(Protocol):
    """A connection to one channel."""

    def send(self, notifications: Sequence[Notification]) -> None:
        """Send one message. Raises: NotTaken, ConfigurationError."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


@dataclass(frozen=True, kw_only=True)
class AlertKind:
    """The declaration of a kind: how `alerts.NAME` becomes a channel. `groups`: one message has many notifications."""

    name: str
    meaning: str
    module: str
    groups: bool

    def open(self, declared: AlertSettings, name: str) -> AlertChannel:
        """Open the channel that `alerts.NAME` declares. Raises: ConfigurationError."""
        opened: Callable[..., AlertChannel] = import_module(self.module).open_channel
        return opened(declared, setting=f"alerts.{name}")


_HERE = "dataflow.alerts.channels"

ALERT_KINDS: Registry[AlertKind] = Registry(
    "kind of alert channel",
    (
        AlertKind(name="pagerduty", meaning="PagerDuty's Events API v2", module=f"{_HERE}.pagerduty", groups=False),
        AlertKind(name="slack", meaning="A webhook as Slack has it", module=f"{_HERE}.slack", groups=True),
        AlertKind(name="webhook", meaning="A signed webhook", module=f"{_HERE}.signed_webhook", groups=True),
        AlertKind(name="email", meaning="E-mail by SMTP over TLS 1.3", module=f"{_HERE}.email", groups=True),
        AlertKind(name="sns", meaning="A topic of AWS SNS", module=f"{_HERE}.sns", groups=True),
    ),
    name=lambda kind: kind.name,
)
