"""The bridge of key figures: each change of a figure is split by ordered substitution, without a gap."""

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dataflow.publish import Diff, diff
from dataflow.publish.bridge_parts import explain_publication
from dataflow.publish.kpis import KPIS
from dataflow.tables.ops.quality import BRIDGE_PARTS
from lakehouse import Lake
from tests.lib.customers import World, record_of
from tests.lib.publishing import publish_world
from tests.lib.tables import NOW, small_lake

FIVE_DAYS_AGO = NOW - timedelta(days=5)


def order(world: World, name: str, of: str, amount: int, *, version: int = 1, days: int = 5, **values: Any) -> None:
    """An order as received; another `version` is another received row."""
    lineage = {"_source": "mysql", "_object": "orders", "_record_key": name, "_row_hash": f"{name}-{version}"}
    world.order(f"mysql|orders|{name}", record_of(of), NOW - timedelta(days=days), amount, **lineage, **values)


def customer(world: World, name: str, *, days: int = 5) -> None:
    world.customer(name, first_seen_at=NOW - timedelta(days=days))
    world.records[record_of(name)] = {"created_at": NOW - timedelta(days=days), "_row_hash": name}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lake, list[int]]]:
    """A day on which everything happens at once: a merge, a correction, another rule, a late and a new order."""
    folder: Path = tmp_path_factory.mktemp("bridge")
    with small_lake(folder) as lake:
        world = World()
        for name in ("a", "b", "c"):
            customer(world, name)
        order(world, "1", "a", 10)
        order(world, "2", "b", 20)
        snapshots = [publish_world(lake, folder, world, run_id="run1").snapshot.id]
        world.merge("a", "b")
        order(world, "1", "a", 11, version=2)
        order(world, "2", "b", 25)
        order(world, "3", "c", 7, days=6)
        order(world, "4", "c", 30, days=-1)
        two = NOW + timedelta(days=2)
        snapshots.append(publish_world(lake, folder, world, now=two, run_id="run2").snapshot.id)
        yield lake, snapshots


@pytest.fixture(scope="module")
def found(shop: tuple[Lake, list[int]]) -> Diff:
    lake, (first, second) = shop
    return diff(lake.con, first, second)


def parts(found: Diff, code: str) -> dict[str, float]:
    return dict(next(kpi for kpi in found.kpis if kpi.code == code).parts)


def test_each_kind_of_change_has_its_part(found: Diff) -> None:
    assert parts(found, "revenue") == {"rules": 5.0, "corrected": 8.0, "activity": 30.0}
    assert parts(found, "orders") == {"corrected": 1.0, "activity": 1.0}
    assert parts(found, "new_customers") == {"identity": -1.0}
    assert parts(found, "first_orders") == {"identity": -1.0, "corrected": 1.0}


def test_the_parts_of_every_figure_sum_to_its_change(found: Diff) -> None:
    assert found.kpis
    for kpi in found.kpis:
        assert sum(kpi.parts.values()) == pytest.approx((kpi.after or 0) - (kpi.before or 0)), kpi.code


def test_the_way_back_is_the_mirror(shop: tuple[Lake, list[int]], found: Diff) -> None:
    lake, (first, second) = shop
    back = diff(lake.con, second, first)
    assert parts(back, "revenue") == {part: -change for part, change in parts(found, "revenue").items()}


def test_a_first_publication_records_nothing(shop: tuple[Lake, list[int]]) -> None:
    lake, _ = shop
    assert lake.con.execute("SELECT DISTINCT run_id FROM lake.ops.kpi_bridge").fetchall() == [("run2",)]


def test_any_day_of_any_figure_has_no_gap(tmp_path: Path) -> None:
    """The first value is the former one, each part begins where the last one ended, the last value is the new one."""
    draw = random.Random(24)
    with small_lake(tmp_path) as lake:
        world = World()
        for number in range(12):
            customer(world, f"c{number}", days=draw.randint(1, 9))
            order(world, f"{number}", f"c{number}", draw.randint(1, 90), days=draw.randint(1, 9))
        former = publish_world(lake, tmp_path, world, run_id="run0").snapshot.id
        for day in range(1, 4):
            _change(world, draw, day)
            now, run_id = NOW + timedelta(days=day), f"run{day}"
            newer = publish_world(lake, tmp_path, world, now=now, run_id=run_id).snapshot.id
            lake.con.execute("USE lake")
            changes = explain_publication(lake.con, run_id)
            lake.con.execute("USE memory")
            assert {(one.kpi_date, one.code): (one.before, one.after) for one in changes} == _changed(
                lake, former, newer
            )
            former = newer


def _change(world: World, draw: random.Random, day: int) -> None:
    """Correct some orders, cancel one, drop one, add some, merge two customers, order by all at once."""
    for number in draw.sample(range(12), 4):
        if (name := f"mysql|orders|{number}") in world.orders:
            customer_of = world.orders[name]["record_id"].rpartition("|")[2]
            status = draw.choice(["paid", "cancelled"])
            days, version = draw.randint(1, 9), draw.choice([1, day + 1])
            order(world, f"{number}", customer_of, draw.randint(1, 90), version=version, days=days, status=status)
    world.orders.pop(f"mysql|orders|{draw.randint(0, 11)}", None)
    customers = sorted(world.customers)
    world.merge(*draw.sample(customers, 2))
    kept = sorted(world.customers)
    for name in kept:
        owned = [record for record, owner in world.links.items() if owner == name]
        world.customers[name]["first_seen_at"] = min(world.records[record]["created_at"] for record in owned)
    for extra in range(3):
        order(world, f"{day}{extra}new", draw.choice(kept), 5, days=draw.choice([4, -day]))


def _changed(lake: Lake, older: int, newer: int) -> dict[tuple[str, str], tuple[float | None, float | None]]:
    rows = lake.con.execute(f"""
        SELECT kpi_date::VARCHAR, kpi_code, o.value, n.value
        FROM (FROM lake.published.kpi_daily AT (VERSION => {older})) o
        FULL JOIN (FROM lake.published.kpi_daily AT (VERSION => {newer})) n USING (kpi_date, kpi_code)
        WHERE o.value IS DISTINCT FROM n.value
    """).fetchall()
    gaps = lake.con.execute(f"""
        SELECT * FROM (
            SELECT *, lag(value_after) OVER day AS former, row_number() OVER day AS n FROM lake.ops.kpi_bridge
            WINDOW day AS (PARTITION BY run_id, kpi_date, kpi_code ORDER BY list_position({list(BRIDGE_PARTS)}, part))
        ) WHERE n > 1 AND former IS DISTINCT FROM value_before
    """).fetchall()
    assert gaps == []
    assert {code for _, code, _, _ in rows} <= set(KPIS)
    return {(day, code): (old, new) for day, code, old, new in rows}
