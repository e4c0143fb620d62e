"""The shape of `[baselines]`: what an unusual publication does, and the windows that are known to be unusual."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from dataflow.settings.section import Section


def _in_utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


Timestamp = Annotated[datetime, AfterValidator(_in_utc)]
"""A time; UTC where it names no zone."""


class BaselineWindowSettings(Section):
    """A time in which publications are not as usual: they are measured, not judged, and change nothing of what is
    normal."""

    begins: Timestamp
    """The first time, such as 2026-11-27T00:00:00Z."""
    ends: Timestamp
    """The first time that is usual again."""
    reason: Annotated[str, Field(min_length=3, max_length=300)]
    """Why, such as Black Friday, or an incident that is known."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.ends <= self.begins:
            raise ValueError("ends is not after begins")
        return self


class BaselinesSettings(Section):
    """What is normal of the rows that a publication adds or changes, learnt from the last sixty publications."""

    severity: Literal["warn", "block", "off"] = "warn"
    """What a publication that is not as usual does: `warn` opens an incident, `block` refuses the publication, `off`
    measures nothing."""
    windows: dict[str, BaselineWindowSettings] = {}
    """Times that are known to be unusual."""
