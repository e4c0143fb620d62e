"""What the published tables say when customers change, merge, split, leave and come back.

One lake sees five publications; each customer of the world is one story.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from dataflow.publish import Publication
from lakehouse import Lake
from tests.lib.customers import World, record_of
from tests.lib.publishing import publish_world, published_rows
from tests.lib.tables import small_lake

DAY_1 = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY_2, DAY_3, DAY_4 = (DAY_1 + timedelta(days=days) for days in (1, 2, 3))
BEFORE = DAY_1 - timedelta(days=3)


@dataclass
class Told:
    """The lake after the last day, and what each day's run made of it."""

    lake: Lake
    days: dict[int, Publication] = field(default_factory=dict)

    def states(self, customer_id: str) -> list[tuple[datetime, datetime | None, str]]:
        """valid_from, valid_to, name."""
        rows = published_rows(self.lake, "customer_history", ["customer_id", "valid_from", "valid_to", "full_name"])
        return [tuple(row.values())[1:] for row in rows if row["customer_id"] == customer_id]  # type: ignore[misc]

    def of(self, table: str, customer_id: str, *columns: str) -> list[tuple[object, ...]]:
        rows = published_rows(self.lake, table, ["customer_id", *columns])
        return [tuple(row.values())[1:] for row in rows if row["customer_id"] == customer_id]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("history")
    with small_lake(folder) as lake:
        told = Told(lake)

        def publish(day: int, now: datetime) -> None:
            told.days[day] = publish_world(lake, folder, world, now=now, run_id=f"day {day}")

        world = World()
        for name in ("still", "changing", "leaving", "winner", "loser", "late"):
            world.customer(name, full_name=name, email=f"{name}@example.org")
        world.customer("whole", records=["mysql|customers|w1", "mysql|customers|w2"])
        world.customer("keyed", records=["shop|buyer|7|x"])
        for order, record in (("o1", record_of("winner")), ("o2", record_of("loser")), ("o3", "mysql|customers|w2")):
            world.order(order, record, BEFORE, 10)
        world.ticket("t1", record_of("loser"), BEFORE)
        publish(1, DAY_1)

        world.customer("changing", full_name="changed")
        del world.customers["leaving"], world.links[record_of("leaving")]
        world.merge("loser", "winner")
        world.customer("part", records=["mysql|customers|w2"])
        publish(2, DAY_2)

        publish(3, DAY_3)

        world.customer("leaving", full_name="back", email="leaving@example.org")
        world.ticket("t2", record_of("still"), DAY_3)
        publish(4, DAY_4)

        world.customer("changing", full_name="on a clock set back")
        world.customer("late", full_name="twice at one time")
        publish(5, DAY_1)
        yield told


def test_a_change_closes_the_state_and_opens_the_next(told: Told) -> None:
    assert told.states("changing")[:1] == [(DAY_1, DAY_2, "changing")]


def test_a_clock_set_back_makes_no_empty_or_overlapping_state(told: Told) -> None:
    assert told.states("changing")[1:] == [(DAY_2, None, "on a clock set back")]


def test_two_runs_at_one_time_make_one_state(told: Told) -> None:
    assert told.states("late") == [(DAY_1, None, "twice at one time")]


def test_a_customer_who_leaves_is_closed_and_may_come_back(told: Told) -> None:
    assert told.states("leaving") == [(DAY_1, DAY_2, "leaving"), (DAY_4, None, "back")]


def test_nothing_new_publishes_nothing(told: Told) -> None:
    assert told.days[3].status == "unchanged"
    assert told.days[3].snapshot.id == told.days[2].snapshot.id == told.days[4].snapshot.id - 1


def test_a_merge_moves_orders_and_tickets_and_leaves_a_redirect(told: Told) -> None:
    assert told.of("customer_360", "winner", "order_count", "ticket_count", "record_count") == [(2, 1, 2)]
    assert told.of("customer_360", "loser") == []
    assert told.of("orders", "winner", "order_id") == [("o1",), ("o2",)]
    assert told.of("tickets", "winner", "ticket_id") == [("t1",)]
    assert told.of("redirects", "loser", "to_customer_id") == [("winner",)]
    assert told.states("loser") == [(DAY_1, DAY_2, "loser")]


def test_a_split_touches_the_customer_that_was_left(told: Told) -> None:
    assert told.of("customer_360", "whole", "order_count", "record_count") == [(0, 1)]
    assert told.of("customer_360", "part", "order_count", "record_count") == [(1, 1)]
    assert told.of("customer_features", "whole") == []


def test_an_increment_writes_only_what_it_touches(told: Told) -> None:
    changed = {name: staged.changed for name, staged in told.days[4].written.items() if name.startswith("published")}
    assert changed["published.customer_360"] == 2  # the one that came back, the one with a ticket
    assert changed["published.tickets"] == 1
    assert not changed.get("published.orders") and not changed.get("published.redirects")
    assert told.of("customer_360", "winner", "_run_id") == [("day 2",)]


def test_who_stays_in_a_segment_keeps_the_time_of_entry(told: Told) -> None:
    assert told.of("segments", "still", "segment_code", "entered_at") == [
        ("open_lead", DAY_1),
        ("waiting_for_support", DAY_4),
    ]


def test_the_record_key_may_hold_the_separator(told: Told) -> None:
    assert told.of("xref", "keyed", "source", "object", "record_key") == [("shop", "buyer", "7|x")]


def test_every_publication_is_a_row_of_ops_run(told: Told) -> None:
    rows = told.lake.con.execute("SELECT run_id, status, steps FROM lake.ops.run ORDER BY run_id").fetchall()
    assert [row[:2] for row in rows] == [(f"day {day}", "published") for day in (1, 2, 4, 5)]
    assert '"published.customer_360"' in rows[0][2]
