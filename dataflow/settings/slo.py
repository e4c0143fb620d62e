"""The shape of `[slo]`: how fresh published data have to be, and in how many minutes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dataflow.settings.section import Section

FreshHours = Annotated[float, Field(gt=0, le=87_600)]
"""The most hours since the newest change or publication."""


class SloSettings(Section):
    """The service level objective; an object has its own `fresh_within_hours`."""

    publication_within_hours: FreshHours | None = None
    """The most hours since a run published, or found nothing new; left out: publications are not judged."""
    target: Annotated[float, Field(gt=0, lt=1)] = 0.999
    """The share of minutes in which each object and the newest publication have to be fresh."""
    window_days: Annotated[int, Field(ge=1, le=366)] = 30
    """The days that are judged, until now."""
