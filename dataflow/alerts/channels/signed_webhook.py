"""A webhook of one's own, signed as those of events are."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from dataflow.alerts.channels.channel import Notification
from dataflow.alerts.channels.posting import Poster
from dataflow.settings import AlertSettings
from dataflow.sinks.events.webhook import signature

MESSAGE_TYPE = "dataflow.incidents"


class SignedWebhook:
    """The endpoint at `to`, which knows the secret."""

    def __init__(self, declared: AlertSettings, *, setting: str) -> None:
        assert declared.secret is not None
        self._secret = declared.secret.get_secret_value()
        self._poster = Poster(declared, declared.to, setting=setting, names="to")

    def send(self, notifications: Sequence[Notification]) -> None:
        content = message_of(notifications)
        body = json.dumps(content, separators=(",", ":")).encode()
        signed = signature(body, secret=self._secret, at=int(time.time()))
        self._poster.post(body, headers={"DataFlow-Event-Id": content["id"], "DataFlow-Signature": signed})

    def close(self) -> None:
        self._poster.close()


def message_of(notifications: Sequence[Notification]) -> dict[str, Any]:
    """Return one message for programs. The same notifications have the same id."""
    return {
        "id": "+".join((notifications[0].event.event_id, str(len(notifications)))),
        "type": MESSAGE_TYPE,
        "notifications": [one.content() for one in notifications],
    }


open_channel = SignedWebhook
