"""Which rows that are stamped ahead of the source's clock are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dataflow.sources import Window
from dataflow.sources.ahead import bound_of_belief, window_ahead
from tests.lib.deliveries import ITEM

CLOCK = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
BELIEVED = ITEM.model_copy(update={"ahead_hours": 2.0})


@pytest.mark.parametrize(
    ("since", "until", "window"),
    [
        (None, None, Window(CLOCK, CLOCK + 2 * HOUR)),
        (CLOCK - HOUR, CLOCK + HOUR, Window(CLOCK, CLOCK + HOUR)),
        (CLOCK + HOUR, None, Window(CLOCK + HOUR, CLOCK + 2 * HOUR)),
        (None, CLOCK, None),
        (CLOCK + 3 * HOUR, None, None),
    ],
)
def test_what_is_believed_has_a_window_of_its_own(
    since: datetime | None, until: datetime | None, window: Window | None
) -> None:
    assert window_ahead(BELIEVED, CLOCK, since=since, until=until) == window


def test_nothing_is_believed_unless_declared() -> None:
    assert window_ahead(ITEM, CLOCK, since=None, until=None) is None


def test_rows_that_the_next_run_reads_are_not_reported() -> None:
    assert bound_of_belief(ITEM, CLOCK) == CLOCK + timedelta(minutes=1)
    assert bound_of_belief(BELIEVED, CLOCK) == CLOCK + 2 * HOUR + timedelta(minutes=1)
