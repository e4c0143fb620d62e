"""PagerDuty by its Events API v2: an incident is triggered, acknowledged and resolved under one dedup key.

Source: https://developer.pagerduty.com/docs/events-api-v2-overview
"""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.alerts.channels.channel import Notification
from dataflow.alerts.channels.posting import Poster
from dataflow.settings import AlertSettings

_ACTIONS = {"opened": "trigger", "acknowledged": "acknowledge", "resolved": "resolve"}
_LONGEST_SUMMARY = 1024


class PagerDuty:
    """The service with the routing key."""

    def __init__(self, declared: AlertSettings, *, setting: str) -> None:
        assert declared.secret is not None
        self._key = declared.secret.get_secret_value()
        self._poster = Poster(declared, f"{declared.to.rstrip('/')}/v2/enqueue", setting=setting, names="to")

    def send(self, notifications: Sequence[Notification]) -> None:
        for one in notifications:
            self._poster.post(self._body(one))

    def close(self) -> None:
        self._poster.close()

    def _body(self, one: Notification) -> dict[str, object]:
        event = one.event
        body: dict[str, object] = {
            "routing_key": self._key,
            "event_action": _ACTIONS[event.kind],
            "dedup_key": f"dataflow-{event.incident_key}",
        }
        if event.kind != "opened":
            return body
        links = [{"href": one.link, "text": f"Incident {event.incident_key}"}] if one.link else []
        return body | {
            "client": "DataFlow",
            "links": links,
            "payload": {
                "summary": f"{event.rule} of {event.object}: {event.summary}"[:_LONGEST_SUMMARY],
                "source": event.object,
                "severity": event.severity,
                "timestamp": event.occurred_at.isoformat(),
                "component": event.object,
                "group": event.cause,
                "class": event.rule,
                "custom_details": one.content(),
            },
        }


open_channel = PagerDuty
