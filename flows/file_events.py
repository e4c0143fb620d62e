"""Send Prefect an event for each new file in a bucket; the trigger of `ingest` in prefect.yaml waits for them.

`announce` accepts the messages of S3: EventBridge events and bucket notifications, also inside SQS or SNS messages. It
is a Lambda handler that needs only PREFECT_API_URL. A run lists the bucket itself, so an event that is lost, late or
repeated changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from prefect.client.orchestration import get_client
from prefect.events import Event, Resource

OBJECT_CREATED = "s3.object.created"


def announce(message: Mapping[str, Any], _context: object = None) -> int:
    """Send Prefect an event for each created object of a message; return how many.

    Raises: the errors of the Prefect client, so that a queue delivers the message again.
    """
    events = [
        Event(
            event=OBJECT_CREATED,
            resource=Resource({"prefect.resource.id": address, "prefect.resource.name": address}),
        )
        for address in created_objects(message)
    ]
    if events:
        with get_client(sync_client=True) as client:
            client.request(
                "POST", "/events", json=[event.model_dump(mode="json") for event in events]
            ).raise_for_status()
    return len(events)


def created_objects(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield s3://bucket/key of each created object of a message; other messages have none.

    The key is as in the message: notifications percent-encode it, EventBridge does not.
    """
    if message.get("detail-type") == "Object Created":
        detail = message["detail"]
        yield f"s3://{detail['bucket']['name']}/{detail['object']['key']}"
    for record in message.get("Records", ()):
        wrapped = record.get("body") or record.get("Sns", {}).get("Message")
        if wrapped:
            yield from created_objects(json.loads(wrapped))
        elif "ObjectCreated:" in record.get("eventName", ""):
            yield f"s3://{record['s3']['bucket']['name']}/{record['s3']['object']['key']}"
    if message.get("Type") == "Notification":
        yield from created_objects(json.loads(message["Message"]))
