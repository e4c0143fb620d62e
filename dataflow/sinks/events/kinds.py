"""The registry of the kinds of endpoints; the one place to add one. Their clients are imported when one is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from checks.registry import Registry
from dataflow.settings import EventSettings
from dataflow.sinks.events.channel import Channel


@dataclass(frozen=True, kw_only=True)
class EventKind:
    """The declaration of a kind: how `events.NAME` becomes a channel."""

    name: str
    open: Callable[[EventSettings, str], Channel]


def _webhook(endpoint: EventSettings, name: str) -> Channel:
    from dataflow.sinks.events.webhook import Webhook

    return Webhook(endpoint, name=name)


def _prefect(endpoint: EventSettings, name: str) -> Channel:
    from dataflow.sinks.events.prefect_api import PrefectApi

    return PrefectApi(endpoint, name=name)


def _sns(endpoint: EventSettings, name: str) -> Channel:
    from dataflow.sinks.events.aws import SnsTopic

    return SnsTopic(endpoint, name=name)


def _eventbridge(endpoint: EventSettings, name: str) -> Channel:
    from dataflow.sinks.events.aws import EventBus

    return EventBus(endpoint, name=name)


def _pubsub(endpoint: EventSettings, name: str) -> Channel:
    from dataflow.sinks.events.pubsub import PubSubTopic

    return PubSubTopic(endpoint, name=name)


EVENT_KINDS: Registry[EventKind] = Registry(
    "kind of event endpoint",
    (
        EventKind(name="webhook", open=_webhook),
        EventKind(name="prefect", open=_prefect),
        EventKind(name="sns", open=_sns),
        EventKind(name="eventbridge", open=_eventbridge),
        EventKind(name="pubsub", open=_pubsub),
    ),
    name=lambda kind: kind.name,
)
