"""Every form in which S3 tells of new objects names the same objects."""

import json
from typing import Any

import pytest

from flows.file_events import created_objects

NOTIFICATION = {
    "Records": [
        {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "exports"}, "object": {"key": "desk/a.csv"}}},
        {"eventName": "ObjectRemoved:Delete", "s3": {"bucket": {"name": "exports"}, "object": {"key": "desk/b.csv"}}},
        {
            "eventName": "s3:ObjectCreated:CompleteMultipartUpload",
            "s3": {"bucket": {"name": "exports"}, "object": {"key": "desk/c.csv"}},
        },
    ]
}
EVENT = {
    "source": "aws.s3",
    "detail-type": "Object Created",
    "detail": {"bucket": {"name": "exports"}, "object": {"key": "desk/a.csv"}, "reason": "PutObject"},
}
ONE, TWO = ["s3://exports/desk/a.csv"], ["s3://exports/desk/a.csv", "s3://exports/desk/c.csv"]


def queued(*messages: Any) -> dict[str, Any]:
    return {"Records": [{"eventSource": "aws:sqs", "body": json.dumps(message)} for message in messages]}


def published(message: Any) -> dict[str, Any]:
    return {"Type": "Notification", "Message": json.dumps(message)}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (NOTIFICATION, TWO),
        (EVENT, ONE),
        (queued(EVENT, NOTIFICATION), ONE + TWO),
        (queued(published(NOTIFICATION)), TWO),
        ({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(EVENT)}}]}, ONE),
        ({"Event": "s3:TestEvent", "Service": "Amazon S3"}, []),
        (EVENT | {"detail-type": "Object Deleted"}, []),
        ({}, []),
    ],
    ids=["notification", "eventbridge", "sqs", "sns in sqs", "sns", "test event", "deletion", "nothing"],
)
def test_created_objects(message: dict[str, Any], expected: list[str]) -> None:
    assert list(created_objects(message)) == expected
