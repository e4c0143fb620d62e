"""Random worlds and random days in their life, from one seed."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal

from tests.lib.customers import World

STATUSES = ("placed", "paid", "shipped", "delivered", "cancelled", "refunded", None)
TICKET_STATUSES = ("open", "pending", "solved", "closed", None)
PRIORITIES = ("low", "normal", "high", "urgent", None)
CATEGORIES = ("books", "toys", "tools", "garden")


def random_world(dice: random.Random, *, now: datetime, customers: int = 20) -> World:
    """Customers with one to three records, some of whom order and ask."""
    world = World()
    for number in range(customers):
        records = [f"mysql|customers|{number}-{part}" for part in range(dice.randint(1, 3))]
        seen = now - timedelta(hours=dice.randint(1, 20_000)) if dice.random() < 0.9 else None
        world.customer(f"c{number:03}", records=records, first_seen_at=seen, country_code=dice.choice(["DE", None]))
    for number in range(customers * 2):
        add_order(world, dice, f"o{number:03}", now=now)
        add_ticket(world, dice, f"t{number:03}", now=now)
    return world


def live_a_day(world: World, dice: random.Random, *, now: datetime) -> None:
    """Merge, split, leave, order, cancel, ask, close: a few of each."""
    alive = sorted(world.customers)
    loser, winner, leaver, splitting, changing = dice.sample(alive, 5)
    world.merge(loser, winner)
    world.customer(changing, full_name=f"changed at {now}")
    for record in [r for r, owner in world.links.items() if owner == leaver]:
        del world.links[record]
    world.remove_if_empty(leaver, None)
    parts = sorted(r for r, owner in world.links.items() if owner == splitting)
    if len(parts) > 1:
        world.customer(f"{splitting}+{now:%d%H}", records=parts[1:], first_seen_at=now)
    for order in dice.sample(sorted(world.orders), 5):
        world.orders[order]["status"] = dice.choice(STATUSES)
    del world.orders[dice.choice(sorted(world.orders))]
    del world.tickets[dice.choice(sorted(world.tickets))]
    for number in range(5):
        add_order(world, dice, f"o{now:%d%H}{number}", now=now)
        add_ticket(world, dice, f"t{now:%d%H}{number}", now=now)
    # What left took its records along; orders of records that nobody knows are not conformed.
    world.orders = {name: row for name, row in world.orders.items() if row["record_id"] in world.links}
    world.items = {name: row for name, row in world.items.items() if row["order_id"] in world.orders}
    world.tickets = {name: row for name, row in world.tickets.items() if row["record_id"] in world.links}


def add_order(world: World, dice: random.Random, order: str, *, now: datetime, latest_hours: int = 0) -> None:
    """An order of a random record within the last 500 days."""
    at = now - timedelta(hours=dice.randint(latest_hours, 12_000), seconds=dice.randint(0, 59))
    amount = Decimal(dice.randint(0, 99_999)) / 100
    world.order(order, dice.choice(sorted(world.links)), at, amount, status=dice.choice(STATUSES))
    for number in range(dice.randint(0, 3)):
        world.item(f"{order}-{number}", order, dice.choice(CATEGORIES), dice.randint(1, 5))


def add_ticket(world: World, dice: random.Random, ticket: str, *, now: datetime) -> None:
    """A ticket of a random record within the last 500 days, perhaps answered and closed."""
    at = now - timedelta(hours=dice.randint(0, 12_000), seconds=dice.randint(0, 59))
    answered = at + timedelta(minutes=dice.randint(1, 9_000)) if dice.random() < 0.8 else None
    closed = at + timedelta(minutes=dice.randint(10, 60_000)) if dice.random() < 0.7 else None
    world.ticket(
        ticket,
        dice.choice(sorted(world.links)),
        at,
        first_response_at=answered,
        closed_at=closed,
        status=dice.choice(TICKET_STATUSES),
        priority=dice.choice(PRIORITIES),
    )
