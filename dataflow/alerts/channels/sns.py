"""A topic of AWS SNS."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dataflow.alerts.channels.channel import Notification, headline
from dataflow.alerts.channels.signed_webhook import message_of
from dataflow.settings import AlertSettings
from dataflow.sinks.events.aws import FIFO, not_taken_by_aws, open_client

# Source: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
_LONGEST_SUBJECT = 99


class Topic:
    """The topic with the ARN in `to`."""

    def __init__(self, declared: AlertSettings, *, setting: str) -> None:
        self._topic, self._setting = declared.to, setting
        self._client = open_client("sns", declared, setting=setting)

    def send(self, notifications: Sequence[Notification]) -> None:
        content = message_of(notifications)
        subject = headline(notifications).encode("ascii", "replace").decode()[:_LONGEST_SUBJECT]
        more = {"MessageGroupId": content["type"], "MessageDeduplicationId": content["id"]}
        with not_taken_by_aws(self._setting):
            self._client.publish(
                TopicArn=self._topic,
                Subject=subject,
                Message=json.dumps(content),
                **(more if self._topic.endswith(FIFO) else {}),
            )

    def close(self) -> None:
        self._client.close()


open_channel = Topic
