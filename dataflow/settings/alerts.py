"""The shape of `[alerts.NAME]`: a channel that notifies people of incidents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, time
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, model_validator

from dataflow.settings.amounts import Timeout, TimeZone
from dataflow.settings.events import SNS_ARN, EndpointShape
from dataflow.settings.section import ProjectPath, Section

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_SHAPES: Mapping[str, EndpointShape] = {
    "pagerduty": EndpointShape(
        to=r"https://[^@\s]+", form="the address of the Events API, such as https://events.eu.pagerduty.com",
        takes=frozenset({"secret"}), needs_secret=True,
    ),
    "slack": EndpointShape(
        to="", form="left out: the address of the webhook is its secret", takes=frozenset({"secret"}), needs_secret=True
    ),
    "webhook": EndpointShape(
        to=r"https://[^@\s]+", form="https://…, without user and password", takes=frozenset({"secret"}),
        needs_secret=True,
    ),
    "email": EndpointShape(
        to=r"[^@\s,]+@[^@\s,]+(, *[^@\s,]+@[^@\s,]+)*", form="one or more addresses, separated by commas",
        takes=frozenset({"secret", "server", "user", "sender"}),
    ),
    "sns": EndpointShape(to=SNS_ARN, form="the ARN of a topic, arn:aws:sns:REGION:ACCOUNT:TOPIC",
        takes=frozenset({"region", "endpoint"}),
    ),
}  # fmt: skip
_OF_SOME_KINDS = ("secret", "server", "user", "sender", "region", "endpoint")
PAGERDUTY = "https://events.pagerduty.com"


def _check_hours(text: str) -> str:
    if text and not _HOURS.fullmatch(text):
        raise ValueError("is not a range of hours, such as 22:00-07:00")
    return text


class AlertSettings(Section):
    """A channel that is notified of incidents: which, when, and where to."""

    kind: Literal["pagerduty", "slack", "webhook", "email", "sns"]
    """What notifies: the Events API v2 of PagerDuty, a webhook as Slack has it, a signed webhook, e-mail, or SNS."""
    to: str = ""
    """Where it goes: the address of PagerDuty's API (left out: that of the USA), of a webhook, the addresses of an
    e-mail, the ARN of an SNS topic."""
    secret: SecretStr | None = None
    """The routing key of PagerDuty, the whole address of Slack's webhook, the secret that signs a webhook's body, the
    password of the mail server."""
    severity: Literal["critical", "error", "warning", "info"] = "warning"
    """The least severity that it is notified of."""
    owners: list[str] = []
    """Only incidents of these owners, such as `engineer`, or the `owner` of a rule or object; empty: of all."""
    quiet: Annotated[str, AfterValidator(_check_hours)] = ""
    """When it is not notified, except of critical incidents, such as 22:00-07:00; the rest waits until then."""
    time_zone: TimeZone = "UTC"
    """Time zone of the quiet hours."""
    messages_per_hour: Annotated[int, Field(ge=1, le=10_000)] = 60
    """The most messages in an hour; the rest waits."""
    link: Annotated[str, Field(pattern=r"^(https?://[^@\s]+)?$")] = ""
    """A page that each notification links to; `{incident}` in it becomes the key of the incident."""
    server: Annotated[str, Field(pattern=r"^([A-Za-z0-9.:\[\]-]+:\d{1,5})?$")] = ""
    """`host:port` of the mail server, which must offer STARTTLS with TLS 1.3; at port 465 TLS from the start."""
    user: str = ""
    """The user of the mail server; empty: no login."""
    sender: str = ""
    """The address that e-mails are from; empty: the first of `to`."""
    region: str = ""
    """Region of SNS; empty: that of the ARN."""
    endpoint: str = ""
    """`https://…` of another endpoint of AWS, such as a private one; empty: the public one."""
    ca_file: ProjectPath = ""
    """File of certificate authorities for the endpoint's certificate; empty: the public ones."""
    timeout_seconds: Timeout = 5.0
    """How long one answer may take. A run waits for it at its end."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, declared: object) -> object:
        if isinstance(declared, dict) and declared.get("kind") == "pagerduty":
            return {"to": PAGERDUTY, **declared}
        return declared

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        _SHAPES[self.kind].check(self.kind, vars(self), of_some=_OF_SOME_KINDS)
        if self.kind == "email" and not self.server:
            raise ValueError("the kind email needs server")
        if self.user and self.secret is None:
            raise ValueError("user needs secret, its password")
        return self

    def is_quiet_at(self, at: datetime) -> bool:
        """Return whether a time is one of the quiet hours."""
        found = _HOURS.fullmatch(self.quiet)
        if found is None:
            return False
        first, last = (time(int(found[n]), int(found[n + 1])) for n in (1, 3))
        now = at.astimezone(ZoneInfo(self.time_zone)).time()
        return first <= now < last if first <= last else now >= first or now < last
