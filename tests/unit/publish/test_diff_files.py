"""The changed rows as files: applied to the older state they give the newer one, whatever happened in between."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from dataflow.errors import UsageError
from dataflow.publish.diff import as_of_sql
from dataflow.publish.diff_files import MANIFEST, ChangedRows, write_diff
from dataflow.tables import published
from dataflow.tables.published import CUSTOMER_360, ORDERS
from lakehouse import Lake
from lakehouse.table import Table, file_literal
from tests.lib.customers import World, record_of
from tests.lib.publishing import publish_world
from tests.lib.tables import NOW, small_lake

NAMES = "abcdefgh"
OWN = ("_change", "_from_publication", "_to_publication")


@pytest.fixture(scope="module")
def lake_and_days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lake, list[int]]]:
    """Five publications of a world in which customers come, change, merge and go, as a seed has it."""
    folder, chance = tmp_path_factory.mktemp("diff"), random.Random(19)
    with small_lake(folder) as lake:
        world, days = World(), []
        for day in range(5):
            for name in chance.sample(NAMES, 4):
                if name not in world.redirects:
                    world.customer(name, email=f"{name}{day}@mail.example")
                    world.order(f"o{name}{chance.randrange(3)}", record_of(name), NOW, chance.randrange(1, 900))
            for order in chance.sample(sorted(world.orders), len(world.orders) // 3):
                del world.orders[order]
            if day % 2:
                loser, winner = chance.sample(sorted(world.customers), 2)
                world.merge(loser, winner)
            days.append(publish_world(lake, folder, world, now=NOW + timedelta(days=day)).snapshot.id)
        yield lake, days


def write(lake: Lake, before: int, after: int, folder: Path) -> list[ChangedRows]:
    older, newer = lake.snapshot_at(before), lake.snapshot_at(after)
    return write_diff(lake, older, newer, folder=folder, counted=lambda _: None)


def rows(con: duckdb.DuckDBPyConnection, relation: str, table: Table) -> dict[tuple[Any, ...], dict[str, Any]]:
    found = con.execute(f"FROM {relation}")
    names = [str(column[0]) for column in found.description or ()]
    listed = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return {tuple(row[key] for key in table.key): row for row in listed}


@pytest.mark.parametrize(("before", "after"), [(0, 1), (1, 2), (2, 4), (0, 4), (4, 1), (3, 3)])
def test_applied_to_the_older_state_they_give_the_newer_one(
    lake_and_days: tuple[Lake, list[int]], tmp_path: Path, before: int, after: int
) -> None:
    lake, days = lake_and_days
    written = write(lake, days[before], days[after], tmp_path / "out")
    for table, figures in zip(published.TABLES, written, strict=True):
        older, newer = (rows(lake.con, as_of_sql(table, days[day]), table) for day in (before, after))
        changed = rows(lake.con, f"read_parquet({file_literal(tmp_path / 'out' / figures.file)})", table)
        kinds = [row["_change"] for row in changed.values()]
        assert [kinds.count(kind) for kind in ("inserted", "updated", "deleted")] == [
            figures.inserted,
            figures.updated,
            figures.deleted,
        ]
        # None too few, and none too many.
        assert changed.keys() == {key for key in older | newer if older.get(key) != newer.get(key)}
        applied = dict(older)
        for key, row in changed.items():
            assert (row["_from_publication"], row["_to_publication"]) == (days[before], days[after])
            if row["_change"] == "deleted":
                assert applied.pop(key) == {name: row[name] for name in table.column_names}
            else:
                assert (key in applied) == (row["_change"] == "updated")
                applied[key] = {name: row[name] for name in table.column_names}
        assert applied == newer
    assert (before == after) == (not any(each.inserted + each.updated + each.deleted for each in written))


def test_the_manifest_names_the_lake_the_publications_and_the_files(
    lake_and_days: tuple[Lake, list[int]], tmp_path: Path
) -> None:
    lake, days = lake_and_days
    write(lake, days[0], days[4], tmp_path / "deep" / "out")
    told = json.loads((tmp_path / "deep" / "out" / MANIFEST).read_text())
    assert (told["lake_id"], told["from_publication"], told["to_publication"]) == (lake.lake_id(), days[0], days[4])
    assert {each["file"] for each in told["tables"]} | {MANIFEST} == {
        path.name for path in (tmp_path / "deep" / "out").iterdir()
    }
    names = pq.read_schema(tmp_path / "deep" / "out" / "orders.parquet").names
    assert names == [*OWN, *ORDERS.column_names]


def test_it_is_written_whole_or_not_at_all(
    lake_and_days: tuple[Lake, list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, days = lake_and_days
    left_behind = tmp_path / ".out.1.draft"
    left_behind.mkdir()

    def fails(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_diff(lake, lake.snapshot_at(days[0]), lake.snapshot_at(days[1]), folder=tmp_path / "out", counted=fails)
    assert list(tmp_path.iterdir()) == []
    write(lake, days[0], days[1], tmp_path / "out")
    with pytest.raises(UsageError, match="exists"):
        write(lake, days[0], days[2], tmp_path / "out")
    assert json.loads((tmp_path / "out" / MANIFEST).read_text())["to_snapshot"] == days[1]
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="nothing was written"):
        write(lake, days[0], days[2], tmp_path / "file" / "out")


def test_a_column_or_table_of_later_is_null_or_empty_before(tmp_path: Path) -> None:
    with small_lake(tmp_path / "lake") as lake:
        world = World()
        world.customer("a", email="a@mail.example")
        world.order("o", record_of("a"), NOW, 1)
        day = publish_world(lake, tmp_path, world).snapshot.id
        lake.con.execute(f"ALTER TABLE {CUSTOMER_360.in_lake} DROP COLUMN email")
        lake.con.execute(f"DROP TABLE {ORDERS.in_lake}")
        without = lake.snapshot().id
        added, removed = write(lake, without, day, tmp_path / "there"), write(lake, day, without, tmp_path / "back")
    there, back = ({each.table: each for each in written} for written in (added, removed))
    assert (there["published.customer_360"].updated, back["published.customer_360"].updated) == (1, 1)
    assert (there["published.orders"].inserted, back["published.orders"].deleted) == (1, 1)
    [was] = pq.read_table(tmp_path / "back" / "customer_360.parquet").column("email").to_pylist()
    assert was is None
