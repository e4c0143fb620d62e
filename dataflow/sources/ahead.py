"""Rows stamped later than the source's clock: how far ahead one is believed, and which window reads those.

A window ends at the source's clock, so that nothing is written into it after it was read. A row stamped later waits
until then; a whole table does where the server's clock zone is east of the declared one. What an object declares as
`ahead_hours` is read in a window of its own, each time anew, which does not move the watermark: rows stamped by right
clocks follow between.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from dataflow.settings import ObjectSettings
from dataflow.sources.protocol import Window

_TOLERANCE = timedelta(seconds=60)
"""Clocks differ by as much as this, and the next run reads such rows: they are not reported."""


def window_ahead(
    declared: ObjectSettings, clock: datetime, *, since: datetime | None, until: datetime | None
) -> Window | None:
    """Return the window of the rows that are stamped ahead of the source's clock and believed; None without one."""
    end = clock + timedelta(hours=declared.ahead_hours)
    window = Window(max(since or clock, clock), min(until or end, end))
    return window if window.start < window.until else None


def bound_of_belief(declared: ObjectSettings, clock: datetime) -> datetime:
    """Return the time from which on stamped rows are neither read nor expected."""
    return clock + timedelta(hours=declared.ahead_hours) + _TOLERANCE
