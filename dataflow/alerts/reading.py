"""Read incidents for a person: the events of the lake and of the outbox together, and one incident among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dataflow.alerts.delivering import try_channel
from dataflow.alerts.incidents import Incident, derive_incidents
from dataflow.errors import ConfigurationError, UsageError
from dataflow.settings import Settings
from dataflow.workspace.incident_events import IncidentEvent, Outbox, parse_events
from lakehouse import LakeError

_SHORTEST_KEY = 4


@dataclass(frozen=True)
class KnownEvents:
    """Events in order of time; `missing` says why those that the lake has recorded are not among them."""

    events: tuple[IncidentEvent, ...]
    missing: str = ""


def read_known_events(settings: Settings, in_lake: Callable[[], Sequence[IncidentEvent]]) -> KnownEvents:
    """Return the events of the outbox, and those that `in_lake` reads where the lake can be read."""
    # The outbox first: an event that a run records meanwhile is then in both, which counts once.
    waiting, missing = parse_events(Outbox(settings).read()), ""
    recorded: Sequence[IncidentEvent] = ()
    try:
        recorded = in_lake()
    except LakeError as error:
        missing = str(error)
    unique = {event.event_id: event for event in [*recorded, *waiting]}
    return KnownEvents(tuple(unique[one] for one in sorted(unique)), missing)


def find_incident(events: Sequence[IncidentEvent], key: str) -> Incident:
    """Return the newest incident whose key begins so. Raises: UsageError for none, or for several keys."""
    found = {one.incident_key: one for one in derive_incidents(events) if one.incident_key.startswith(key)}
    if len(key) < _SHORTEST_KEY or len(found) != 1:
        named = "Several incidents have" if len(found) > 1 else "No incident has"
        raise UsageError(
            f"{named} a key that begins with {key}.", next_move="`dataflow alerts list --all` shows the keys."
        )
    return next(iter(found.values()))


def try_channels(settings: Settings, *, now: datetime) -> dict[str, str]:
    """Send a notification to each channel; return why it failed, or "", by channel. Raises: ConfigurationError."""
    if not settings.alerts:
        raise ConfigurationError(
            "No channel is declared.",
            next_move="Add [alerts.NAME] to dataflow.toml: `dataflow describe setting alerts`.",
        )
    event = IncidentEvent(
        event_id="test",
        incident_key="test",
        kind="opened",
        rule="test",
        object="alerts",
        cause="test",
        severity="info",
        owner="engineer",
        summary="This is a test of DataFlow's alerts; nothing is wrong.",
        occurred_at=now,
    )
    return {name: try_channel(name, declared, event) for name, declared in settings.alerts.items()}
