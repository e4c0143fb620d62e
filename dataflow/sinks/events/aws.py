"""Events to an SNS topic or an EventBridge bus, with the key of the environment, the profile or the machine's role."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from botocore.parsers import ResponseParserError

from dataflow.connect.aws import aws_client
from dataflow.errors import ConfigurationError
from dataflow.settings import EventSettings
from dataflow.sinks.events.channel import NotTaken
from dataflow.sinks.events.event import EVENT_TYPE, SOURCE, PublicationEvent
from dataflow.sinks.events.https import AGAIN, not_reached, require_private

_THROTTLED = frozenset({"Throttling", "ThrottlingException", "Throttled", "InternalException", "InternalFailure"})
FIFO = ".fifo"


class SnsTopic:
    """The topic with the ARN in `to`."""

    def __init__(self, endpoint: EventSettings, *, name: str) -> None:
        self._topic, self._setting = endpoint.to, f"events.{name}"
        self._client = open_client("sns", endpoint, setting=self._setting)

    def send(self, event: PublicationEvent) -> None:
        more = {"MessageGroupId": event.lake_id, "MessageDeduplicationId": event.event_id}
        with not_taken_by_aws(self._setting):
            self._client.publish(
                TopicArn=self._topic,
                Message=event.body().decode(),
                MessageAttributes={
                    "id": {"DataType": "String", "StringValue": event.event_id},
                    "type": {"DataType": "String", "StringValue": EVENT_TYPE},
                },
                **(more if self._topic.endswith(FIFO) else {}),
            )

    def close(self) -> None:
        self._client.close()


class EventBus:
    """The EventBridge bus with the name or ARN in `to`."""

    def __init__(self, endpoint: EventSettings, *, name: str) -> None:
        self._bus, self._setting = endpoint.to, f"events.{name}"
        self._client = open_client("events", endpoint, setting=self._setting)

    def send(self, event: PublicationEvent) -> None:
        entry = {
            "Source": SOURCE,
            "DetailType": EVENT_TYPE,
            "Detail": event.body().decode(),
            "EventBusName": self._bus,
            "Time": event.published_at,
        }
        with not_taken_by_aws(self._setting):
            answer = self._client.put_events(Entries=[entry])
        # The call succeeds also where the bus takes none of its entries.
        if answer.get("FailedEntryCount"):
            code = str(answer["Entries"][0].get("ErrorCode", "an error"))
            raise NotTaken(f"it answered {code}", next_move=_move(self._setting), can_pass=code in _THROTTLED)

    def close(self) -> None:
        self._client.close()


class AwsEndpoint(Protocol):
    """The settings of an endpoint that is a resource of AWS."""

    @property
    def to(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def ca_file(self) -> str: ...
    @property
    def timeout_seconds(self) -> float: ...


def open_client(service: str, endpoint: AwsEndpoint, *, setting: str) -> Any:
    """Return the client for an endpoint, which `setting` declares; it tries once. Raises: ConfigurationError."""
    if endpoint.endpoint:
        require_private(endpoint.endpoint, setting=f"{setting}.endpoint")
    seconds = endpoint.timeout_seconds
    # `deliver` tries again, as for every kind of endpoint.
    once = {"mode": "standard", "total_max_attempts": 1}
    try:
        return aws_client(
            service,
            region=endpoint.region or _region_in(endpoint.to) or None,
            endpoint=endpoint.endpoint or None,
            ca_file=endpoint.ca_file,
            setting=f"{setting}.ca_file",
            options={"connect_timeout": seconds, "read_timeout": seconds, "retries": once},
        )
    except NoRegionError:
        raise ConfigurationError(
            f"{setting} names no region.", next_move=f"Set {setting}.region, or AWS_REGION."
        ) from None


def _region_in(arn: str) -> str:
    """Return the region of `arn:aws:service:region:…`; "" of a name."""
    parts = arn.split(":")
    return parts[3] if len(parts) > 3 else ""


@contextmanager
def not_taken_by_aws(setting: str) -> Iterator[None]:
    """Turn the errors of a call into NotTaken; `setting` declares the endpoint."""
    try:
        yield
    except ClientError as error:
        answer = error.response
        status, code = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0), answer.get("Error", {}).get("Code")
        raise NotTaken(
            f"it answered {status} {code or ''}".rstrip(),
            next_move=_move(setting),
            can_pass=status in AGAIN or code in _THROTTLED,
        ) from None
    except NoCredentialsError:
        raise NotTaken(
            "this process has no AWS credentials",
            next_move="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or the machine's role",
            can_pass=False,
        ) from None
    except ResponseParserError:
        # Such as that of a proxy in between. Its text is in the message of the error.
        raise NotTaken("its answer is not one of AWS", next_move=_move(setting), can_pass=True) from None
    except BotoCoreError as error:
        raise not_reached(error, setting=setting) from None


def _move(setting: str) -> str:
    return f"Correct {setting}, or the permissions of its credentials"
