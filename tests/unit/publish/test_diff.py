"""What two snapshots differ in: rows, identities, key figures."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dataflow.publish import Diff, diff
from dataflow.publish.diff import IdentityDiff
from lakehouse import Lake
from tests.lib.customers import World, record_of
from tests.lib.publishing import publish_world
from tests.lib.tables import NOW, small_lake


@pytest.fixture(scope="module")
def lake_and_days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lake, list[int]]]:
    folder: Path = tmp_path_factory.mktemp("diff")
    with small_lake(folder) as lake:
        world = World()
        for name in ("stays", "merges", "into", "leaves"):
            world.customer(name)
        world.customer("whole", records=["mysql|customers|w1", "mysql|customers|w2"])
        world.order("o1", record_of("merges"), NOW - timedelta(days=5), 10)
        days = [publish_world(lake, folder, world).snapshot.id]
        world.merge("merges", "into")
        world.customer("part", records=["mysql|customers|w2"])
        del world.links[record_of("leaves")]
        world.remove_if_empty("leaves", None)
        world.customer("comes")
        world.order("o2", record_of("stays"), NOW - timedelta(days=5), 32)
        days.append(publish_world(lake, folder, world, now=NOW + timedelta(days=1)).snapshot.id)
        yield lake, days


@pytest.fixture(scope="module")
def found(lake_and_days: tuple[Lake, list[int]]) -> Diff:
    lake, (first, second) = lake_and_days
    return diff(lake.con, first, second)


def test_rows_are_counted_by_table(found: Diff) -> None:
    counts = {table.table: (table.added, table.changed, table.removed) for table in found.tables}
    assert counts["published.customer_360"] == (2, 3, 2)  # stays orders; into and whole have other records
    assert counts["published.orders"] == (1, 1, 0)
    assert counts["published.redirects"] == (2, 0, 0)


def test_identities_are_counted(found: Diff) -> None:
    assert found.identities == IdentityDiff(created=2, retired=2, merged=1, split=1, records_moved=2)


def test_key_figures_are_compared(found: Diff) -> None:
    revenue = next(kpi for kpi in found.kpis if kpi.code == "revenue")
    assert (revenue.before, revenue.after, revenue.days_changed) == (10.0, 42.0, 1)


def test_a_snapshot_does_not_differ_from_itself(lake_and_days: tuple[Lake, list[int]]) -> None:
    lake, (first, _) = lake_and_days
    same = diff(lake.con, first, first)
    assert same.is_empty
    assert same.kpis == ()


def test_the_way_back_is_the_mirror(lake_and_days: tuple[Lake, list[int]], found: Diff) -> None:
    lake, (first, second) = lake_and_days
    back = diff(lake.con, second, first)
    assert [(t.removed, t.changed, t.added) for t in back.tables] == [
        (t.added, t.changed, t.removed) for t in found.tables
    ]
