"""The published tables against a dull twin, and increments against a rebuild, on random worlds."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dataflow.tables import published
from lakehouse import Lake
from lakehouse.table import column_list
from tests.lib import publish_twin as twin
from tests.lib.customers import World
from tests.lib.publishing import compute_world, publish_world, settings_in
from tests.lib.random_worlds import add_order, add_ticket, live_a_day, random_world
from tests.lib.tables import read_rows, small_lake, workspace

NOW = datetime(2026, 3, 10, 7, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with small_lake(tmp_path_factory.mktemp("oracle")) as lake:
        yield lake


@pytest.fixture
def seeds(rounds: Callable[[int, int], int]) -> range:
    return range(rounds(1, 60))


def computed(lake: Lake, folder: Path, world: World, *, now: datetime = NOW) -> dict[str, list[dict[str, Any]]]:
    """All published tables as one run over an empty base would make them; nothing is committed."""
    with workspace(lake, folder, now=now) as ws:
        compute_world(ws, world, settings_in(folder))
        return {table.name: read_rows(ws.con, f"SELECT * FROM {table.sql_name}") for table in published.TABLES}


def as_twin(row: dict[str, Any]) -> dict[str, Any]:
    """Amounts in cents, as the twin has them."""
    amounts = {name: int(row[name] * 100) for name in row if name.startswith("order_amount")}
    return {**row, **amounts}


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Python and DuckDB may divide differently in the last bit."""
    return {name: round(value, 9) if isinstance(value, float) else value for name, value in row.items()}


def test_features_totals_and_kpis_equal_the_twin(lake: Lake, tmp_path: Path, seeds: range) -> None:
    for seed in seeds:
        world = random_world(random.Random(seed), now=NOW, customers=40)
        tables = computed(lake, tmp_path, world)

        found = {(row["customer_id"], row["feature_date"]): as_twin(row) for row in tables["customer_features"]}
        expected = twin.features(world, now=NOW)
        assert found.keys() == expected.keys()
        for key, row in expected.items():
            assert rounded({name: found[key][name] for name in row}) == rounded(row)

        totals = {row["customer_id"]: as_twin(row) for row in tables["customer_360"]}
        for customer, row in twin.totals(world).items():
            assert {name: totals[customer][name] for name in row} == row

        kpis = {(row["kpi_date"], row["kpi_code"]): row["value"] for row in tables["kpi_daily"]}
        assert kpis == pytest.approx(twin.kpis(world, now=NOW), rel=1e-12)


def test_a_later_event_never_changes_an_earlier_feature_row(lake: Lake, tmp_path: Path) -> None:
    dice = random.Random(7)
    world = random_world(dice, now=NOW)
    before = {row["customer_id"]: row for row in _features_before(lake, tmp_path, world, date(2026, 3, 1))}
    for number in range(30):  # all of them in March: after the row's day, before the run
        add_order(world, dice, f"later{number}", now=NOW + timedelta(hours=12_000 - 200))
        world.orders[f"later{number}"]["ordered_at"] = NOW - timedelta(hours=dice.randint(1, 200))
        add_ticket(world, dice, f"later{number}", now=NOW)
        world.tickets[f"later{number}"]["opened_at"] = NOW - timedelta(hours=dice.randint(1, 200))
    for ticket in world.tickets.values():  # and closing what was open is such an event too
        ticket["closed_at"] = ticket["closed_at"] or NOW
    after = {row["customer_id"]: row for row in _features_before(lake, tmp_path, world, date(2026, 3, 1))}
    assert {customer: after[customer] for customer in before} == before


def _features_before(lake: Lake, folder: Path, world: World, day: date) -> list[dict[str, Any]]:
    rows = computed(lake, folder, world)["customer_features"]
    return [row for row in rows if row["feature_date"] == day]


def test_increments_equal_a_rebuild(tmp_path: Path, rounds: Callable[[int, int], int]) -> None:
    for seed in range(rounds(1, 20)):
        dice = random.Random(seed)
        folder = tmp_path / str(seed)
        now = datetime(2026, 2, 28, 9, tzinfo=UTC)
        world = random_world(dice, now=now)
        with small_lake(folder / "daily") as daily:
            for day in range(3):  # across the turn of a month
                publish_world(daily, folder / "daily", world, now=now, run_id=f"day {day}")
                last = now
                now += timedelta(days=1, hours=1)
                if day < 2:
                    live_a_day(world, dice, now=now)
            with small_lake(folder / "whole") as whole:
                publish_world(whole, folder / "whole", world, now=last, run_id="once")
                for table in published.TABLES:
                    if table.name != "customer_history":  # a rebuild knows no past
                        assert _content(daily, table) == _content(whole, table), table.name


def _content(lake: Lake, table: Any) -> list[dict[str, Any]]:
    columns = column_list(column.name for column in table.columns if not column.volatile)
    return read_rows(lake.con, f"SELECT {columns} FROM lake.{table.sql_name} ORDER BY ALL")
