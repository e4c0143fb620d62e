"""Files that arrived in a bucket, told to Prefect as events; the trigger of `ingest` in prefect.yaml waits for them.

`announce` takes what S3 sends, by whatever way it comes: an EventBridge event, a bucket notification, and either of
them in messages of SQS or SNS. It has the form of a Lambda handler, and needs PREFECT_API_URL and nothing else.
What arrived is only a hint: a run lists the bucket itself, so an event that is lost, late or doubled changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from prefect.client.orchestration import get_client
from prefect.events import Event, Resource

OBJECT_CREATED = "s3.object.created"


def announce(message: Mapping[str, Any], _context: object = None) -> int:
    """Tell Prefect of each object that the message says was created; returns how many.

    Raises: what the Prefect client raises, so that a queue delivers the message again.
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
    """Yield s3://bucket/key of each object that a message says was created; other messages hold none.

    The key is as the message has it: notifications encode it as in an address, EventBridge does not.
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
