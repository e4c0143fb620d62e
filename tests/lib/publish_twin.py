"""What the published tables must say, computed one customer and one day at a time in plain Python."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any

from tests.lib.customers import World

Row = dict[str, Any]


def features(world: World, *, now: datetime) -> dict[tuple[str, date], Row]:
    """customer_features by customer and day."""
    rows: dict[tuple[str, date], Row] = {}
    for customer, values in world.customers.items():
        orders, tickets = orders_of(world, customer), tickets_of(world, customer)
        for day in first_days(now.date()):
            midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
            ordered = [o for o in orders if o["ordered_at"] < midnight]
            asked = [t for t in tickets if t["opened_at"] < midnight]
            if ordered or asked:
                rows[customer, day] = _feature_row(day, midnight, values["first_seen_at"], ordered, asked)
    return rows


def _feature_row(day: date, midnight: datetime, seen: datetime | None, ordered: list[Row], asked: list[Row]) -> Row:
    def within(rows: list[Row], timestamp: str, days: int) -> list[Row]:
        return [row for row in rows if (day - row[timestamp].date()).days <= days]

    closed = [t for t in asked if t["closed_at"] is not None and t["closed_at"] < midnight]
    seconds = [int((t["closed_at"] - t["opened_at"]).total_seconds()) for t in closed]
    return {
        "tenure_days": (day - seen.date()).days if seen is not None and seen.date() < day else None,
        "recency_days": min(((day - o["ordered_at"].date()).days for o in ordered), default=None),
        "order_count_30d": len(within(ordered, "ordered_at", 30)),
        "order_count_90d": len(within(ordered, "ordered_at", 90)),
        "order_count_365d": len(within(ordered, "ordered_at", 365)),
        "order_amount_90d": cents(within(ordered, "ordered_at", 90)),
        "order_amount_365d": cents(within(ordered, "ordered_at", 365)),
        "average_order_amount": cents(ordered) / len(ordered) / 100 if ordered else None,
        "category_count": len({category for o in ordered for category in o["categories"]}),
        "ticket_count_90d": len(within(asked, "opened_at", 90)),
        "urgent_ticket_count_365d": len([t for t in within(asked, "opened_at", 365) if t["priority"] == "urgent"]),
        "mean_resolution_hours": sum(seconds) / len(seconds) / 3600 if seconds else None,
    }


def kpis(world: World, *, now: datetime) -> dict[tuple[date, str], float]:
    """kpi_daily by day and code."""
    orders, tickets = list(world.orders.values()), list(world.tickets.values())
    kept = [o for o in orders if o["status"] != "cancelled"]
    earning = [o for o in kept if o["status"] != "refunded"]
    firsts = [
        min(o["ordered_at"] for o in theirs)
        for customer in world.customers
        if (theirs := [o for o in orders_of(world, customer) if o["status"] != "cancelled"])
    ]
    seen = [c["first_seen_at"] for c in world.customers.values() if c["first_seen_at"] is not None]
    timestamps = [o["ordered_at"] for o in orders] + [t["opened_at"] for t in tickets] + seen + firsts
    timestamps += [t["closed_at"] for t in tickets if t["closed_at"] is not None]
    days = {timestamp.date() for timestamp in timestamps}
    last = min(max(days), now.date())
    calendar = [min(days) + timedelta(days=n) for n in range((last - min(days)).days + 1)]
    rows: dict[tuple[date, str], float] = {}
    for day in calendar:
        earned = [o for o in earning if o["ordered_at"].date() == day]
        opened = [t for t in tickets if t["opened_at"].date() == day]
        answered = [t for t in opened if t["first_response_at"] is not None]
        all_orders = [o for o in orders if o["ordered_at"].date() == day]
        recent = [o for o in kept if timedelta(0) <= day - o["ordered_at"].date() < timedelta(days=30)]
        rows[day, "orders"] = len([o for o in kept if o["ordered_at"].date() == day])
        rows[day, "revenue"] = cents(earned) / 100
        rows[day, "active_customers_30d"] = len({world.links[o["record_id"]] for o in recent})
        rows[day, "new_customers"] = len([timestamp for timestamp in seen if timestamp.date() == day])
        rows[day, "first_orders"] = len([timestamp for timestamp in firsts if timestamp.date() == day])
        rows[day, "tickets_opened"] = len(opened)
        rows[day, "tickets_closed"] = len([t for t in tickets if t["closed_at"] and t["closed_at"].date() == day])
        if earned:
            rows[day, "average_order_value"] = cents(earned) / 100 / len(earned)
        if all_orders:
            share = len([o for o in all_orders if o["status"] == "cancelled"]) / len(all_orders)
            rows[day, "cancelled_order_share"] = share
        if opened:
            rows[day, "urgent_ticket_share"] = len([t for t in opened if t["priority"] == "urgent"]) / len(opened)
        if answered:
            waits = [int((t["first_response_at"] - t["opened_at"]).total_seconds()) / 3600 for t in answered]
            rows[day, "median_first_response_hours"] = median(waits)
    return rows


def totals(world: World) -> dict[str, Row]:
    """The counted columns of customer_360 by customer."""
    rows = {}
    for customer in world.customers:
        orders = [o for o in orders_of(world, customer) if o["status"] != "cancelled"]
        tickets = tickets_of(world, customer)
        rows[customer] = {
            "order_count": len(orders),
            "order_amount": cents(orders),
            "first_order_at": min((o["ordered_at"] for o in orders), default=None),
            "last_order_at": max((o["ordered_at"] for o in orders), default=None),
            "ticket_count": len(tickets),
            "open_ticket_count": len([t for t in tickets if t["status"] not in ("solved", "closed")]),
            "last_ticket_at": max((t["opened_at"] for t in tickets), default=None),
        }
    return rows


def first_days(today: date) -> list[date]:
    """First days of this month and the eleven before."""
    days, year, month = [], today.year, today.month
    for _ in range(12):
        days.append(date(year, month, 1))
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return days


def orders_of(world: World, customer: str) -> list[Row]:
    by_order = defaultdict(list)
    for item in world.items.values():
        by_order[item["order_id"]].append(item["product_category"])
    return [
        {**order, "categories": by_order[name]}
        for name, order in world.orders.items()
        if world.links[order["record_id"]] == customer
    ]


def tickets_of(world: World, customer: str) -> list[Row]:
    return [ticket for ticket in world.tickets.values() if world.links[ticket["record_id"]] == customer]


def cents(orders: list[Row]) -> int:
    """Sum of amounts in cents, exact."""
    return sum(round(order["base_amount"] * 100) for order in orders)
