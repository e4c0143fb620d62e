"""Events to the API of a Prefect server or of Prefect Cloud, where an automation starts a deployment from them.

Posted without Prefect's client: that keeps events in memory and sends them later, so that a crash would lose one.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC

from dataflow.settings import EventSettings
from dataflow.sinks.events.event import EVENT_TYPE, PublicationEvent
from dataflow.sinks.events.https import open_session, post, require_private

RESOURCE = "dataflow.lake."
"""Beginning of the id of the resource that an event is about; the id of the lake follows."""


class PrefectApi:
    """The API at `to`, such as http://127.0.0.1:4200/api; `secret` is an API key."""

    def __init__(self, endpoint: EventSettings, *, name: str) -> None:
        require_private(endpoint.to, setting=f"events.{name}.to")
        self._endpoint, self._setting = endpoint, f"events.{name}"
        self._session = open_session(endpoint.ca_file, setting=self._setting)

    def send(self, event: PublicationEvent) -> None:
        key = self._endpoint.secret
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        url, seconds = f"{self._endpoint.to.rstrip('/')}/events", self._endpoint.timeout_seconds
        post(self._session, url, _body(event), headers=headers, timeout=seconds, setting=self._setting)

    def close(self) -> None:
        self._session.close()


def _body(event: PublicationEvent) -> bytes:
    resource = f"{RESOURCE}{event.lake_id}"
    return json.dumps(
        [
            {
                # Prefect takes UUIDs only; the same event has the same one.
                "id": str(uuid.uuid5(uuid.NAMESPACE_URL, event.event_id)),
                "occurred": event.published_at.astimezone(UTC).isoformat(),
                "event": EVENT_TYPE,
                "resource": {"prefect.resource.id": resource, "prefect.resource.name": "DataFlow lake"},
                "payload": event.content(),
            }
        ]
    ).encode()
