"""Stage and score of a customer, as the table in dataflow/enrich/lifecycle.py declares them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from dataflow.enrich.lifecycle import lifecycle_sql
from dataflow.enrich.provider import CUSTOMERS
from tests.lib.customers import World, record_of
from tests.lib.publishing import settings_in
from tests.lib.tables import read_rows, small_lake, workspace

TODAY = datetime(2026, 3, 1, 15, tzinfo=UTC)

# Days ago of each order, amount of each, open tickets: stage, score, recency band, days until the next crossing.
CASES = {
    "never ordered": ((), 0, 0, "lead", 5, "never", None),
    "never ordered, waits for an answer": ((), 0, 1, "lead", 3, "never", None),
    "ordered today": ((0,), 50, 0, "new", 40 + 8 + 4 + 5, "0-30", 31),
    "30 days ago": ((30,), 50, 0, "new", 40 + 8 + 4 + 5, "0-30", 1),
    "31 days ago": ((31,), 50, 0, "new", 30 + 8 + 4 + 5, "31-90", 60),
    "90 days ago": ((90,), 50, 0, "new", 30 + 8 + 4 + 5, "31-90", 1),
    "91 days ago": ((91,), 50, 0, "at_risk", 18 + 8 + 4 + 5, "91-180", 90),
    "181 days ago": ((181,), 50, 0, "at_risk", 8 + 8 + 4 + 5, "181-365", 185),
    "366 days ago": ((366,), 50, 0, "lapsed", 2 + 8 + 4 + 5, "over", None),
    "old and again": ((100, 5), 50, 0, "active", 40 + 14 + 10 + 5, "0-30", 26),
    "young and again": ((80, 5), 50, 0, "new", 40 + 14 + 10 + 5, "0-30", 11),
    "five orders": ((5, 6, 7, 8, 9), 100, 0, "loyal", 40 + 25 + 18 + 5, "0-30", 26),
    "the most": ((1,) * 10, 500, 0, "loyal", 100, "0-30", 30),
    "many open tickets": ((1,) * 10, 500, 4, "loyal", 95, "0-30", 30),
    "ordered tomorrow, by a wrong clock": ((-1,), 50, 0, "new", 40 + 8 + 4 + 5, "0-30", 32),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    folder: Path = tmp_path_factory.mktemp("lifecycle")
    world = World()
    for name, (days, amount, open_tickets, *_) in CASES.items():
        world.customer(name)
        for number, ago in enumerate(days):
            world.order(f"{name}{number}", record_of(name), TODAY - timedelta(days=ago), Decimal(amount))
        # A cancelled order counts nowhere.
        world.order(f"{name} x", record_of(name), TODAY, Decimal(9_999), status="cancelled")
        for number in range(open_tickets):
            world.ticket(f"{name}{number}", record_of(name), TODAY)
        world.ticket(f"{name} x", record_of(name), TODAY, status="closed")
    with small_lake(folder) as lake, workspace(lake, folder, now=TODAY) as ws:
        world.stage(ws)
        ws.con.execute(f"CREATE TEMP TABLE {CUSTOMERS} AS SELECT customer_id FROM resolved.golden_customer")
        rows = read_rows(ws.con, lifecycle_sql(ws, settings_in(folder)))
    return {str(row["customer_id"]): row for row in rows}


@pytest.mark.parametrize("name", CASES)
def test_a_customer_has_stage_score_and_band(found: dict[str, dict[str, object]], name: str) -> None:
    *_, stage, score, band, crossing = CASES[name]
    row = found[name]
    assert (row["stage"], row["score"], row["recency_band"]) == (stage, score, band)
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    expected = midnight + timedelta(days=crossing) if crossing else datetime(9999, 1, 1, tzinfo=UTC)
    assert row["expires_at"] == expected
