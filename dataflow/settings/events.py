"""The shape of `[events.NAME]`: an endpoint that gets an event for each publication."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from dataflow.settings.amounts import Timeout
from dataflow.settings.section import ProjectPath, Section

EventName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""The name of an endpoint, in messages and in the name of a file."""


@dataclass(frozen=True, kw_only=True)
class EndpointShape:
    """What a kind takes: the form of `to`, and which of the settings that not all kinds have."""

    to: str
    form: str
    takes: frozenset[str] = frozenset()
    needs_secret: bool = False

    def check(self, kind: str, declared: Mapping[str, object], *, of_some: Collection[str]) -> None:
        """Refuse settings that do not fit the kind; `of_some` are those that not all kinds have. Raises: ValueError."""
        if not re.fullmatch(self.to, str(declared["to"])):
            raise ValueError(f"to of the kind {kind} is {self.form}")
        foreign = [name for name in of_some if declared[name] and name not in self.takes]
        if foreign:
            raise ValueError(f"the kind {kind} does not take {', '.join(foreign)}")
        if self.needs_secret and declared["secret"] is None:
            raise ValueError(f"the kind {kind} needs secret")


_URL = r"https?://[^@\s]+"
SNS_ARN = r"arn:[\w-]+:sns:[\w-]+:\d+:[\w.-]+"
_SHAPES: Mapping[str, EndpointShape] = {
    "webhook": EndpointShape(
        to=r"https://[^@\s]+",
        form="https://…, without user and password",
        takes=frozenset({"secret"}),
        needs_secret=True,
    ),
    "prefect": EndpointShape(
        to=_URL, form="the URL of an API, such as ${env:PREFECT_API_URL}", takes=frozenset({"secret"})
    ),
    "sns": EndpointShape(
        to=SNS_ARN,
        form="the ARN of a topic, arn:aws:sns:REGION:ACCOUNT:TOPIC",
        takes=frozenset({"region", "endpoint"}),
    ),
    "eventbridge": EndpointShape(
        to=r"[\w./:-]+", form="the name or ARN of a bus", takes=frozenset({"region", "endpoint"})
    ),
    "pubsub": EndpointShape(
        to=r"projects/[^/\s]+/topics/[^/\s]+",
        form="projects/PROJECT/topics/TOPIC",
        takes=frozenset({"credentials", "endpoint"}),
    ),
}
_OF_SOME_KINDS = ("secret", "region", "endpoint", "credentials")


class EventSettings(Section):
    """An endpoint that gets one event for each publication."""

    kind: Literal["webhook", "prefect", "sns", "eventbridge", "pubsub"]
    """What takes the event."""
    to: str
    """Where it goes: the `https://…` of a webhook, the URL of a Prefect API, the ARN of an SNS topic, the name or ARN
    of an EventBridge bus, `projects/P/topics/T` of Pub/Sub."""
    secret: SecretStr | None = None
    """The secret with which a webhook's events are signed; the API key of Prefect Cloud."""
    region: str = ""
    """Region of SNS or EventBridge; empty: that of the ARN, or of the environment."""
    credentials: ProjectPath = ""
    """Key file of a service account for Pub/Sub; empty: the credentials of the environment."""
    endpoint: str = ""
    """`https://…` of another endpoint of AWS or Google, such as a private one; empty: the public one."""
    ca_file: ProjectPath = ""
    """File of certificate authorities for the endpoint's certificate; empty: the public ones."""
    timeout_seconds: Timeout = 10.0
    """How long one answer may take."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        _SHAPES[self.kind].check(self.kind, vars(self), of_some=_OF_SOME_KINDS)
        return self
