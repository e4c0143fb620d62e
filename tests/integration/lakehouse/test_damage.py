"""A lake on servers that lost an object or its catalogue: named, and never made anew over the data that is left."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from dataflow.govern.restore_lost import go_on_without_lost, plan_without_lost
from lakehouse import Lake, LakeDamaged, LakeLocation, LakeUnreachable, open_reader
from lakehouse.damage import naming_damage
from lakehouse.errors import Part
from lakehouse.inventory import lost_files
from lakehouse.location import PostgresCatalogue
from lakehouse.maintain import compact
from tests.lib.lakes import commit, opened
from tests.lib.servers.postgres import connect
from tests.lib.small_company import company_settings, opened_company, person, purchase

COMMITS = 3


@pytest.fixture
def lake(location: LakeLocation) -> LakeLocation:
    """A lake with three commits, closed."""
    with opened(location) as lake:
        for number in range(COMMITS):
            commit(lake, "w", number)
    return location


@pytest.fixture
def files_of(folders: list[Path]) -> Callable[[str], list[Path]]:
    """Return `files_of(table)`: the data files of a table where their server keeps them."""
    return lambda table: sorted(folders[-1].rglob(f"{table.replace('.', '/')}/*.parquet"))


def test_a_lost_data_file_is_named(lake: LakeLocation, files_of: Callable[[str], list[Path]]) -> None:
    lost_file = files_of("raw.event")[-1]
    lost_file.unlink()
    with closing(open_reader(lake, threads=1)) as con:
        [lost], _ = lost_files(con, lake)
        assert (lost.table, Path(lost.path).name, lost.found) == ("raw.event", lost_file.name, None)
        with pytest.raises(LakeDamaged) as caught, naming_damage(con, lake, is_reader=True):
            con.execute("FROM lake.raw.event").fetchall()
    assert caught.value.part is Part.FILES
    assert lost_file.name in str(caught.value)
    with pytest.raises(LakeDamaged, match="restore --lost-files"), opened(lake, alone=True) as writer:
        compact(writer)


def test_going_on_without_a_lost_data_file(
    location: LakeLocation, tmp_path: Path, files_of: Callable[[str], list[Path]]
) -> None:
    settings = company_settings(tmp_path / "company")
    with opened_company(settings, location) as company:
        company.land("person", person(1), person(2))
        company.land("purchase", purchase(1, of=1))
        company.validate()
        company.land("purchase", purchase(2, of=1, day=2))
        company.validate()
        before = company.state("raw", "valid", "ops")
        files_of("valid.shop_purchase")[-1].unlink()
        go_on_without_lost(company.lake, settings, plan_without_lost(company.lake, settings))
        assert lost_files(company.lake.con, location)[0] == []
        company.validate()
        assert company.state("raw", "valid", "ops") == before


def test_a_lost_catalogue_is_named_and_no_new_lake_is_made_over_its_data(lake: LakeLocation) -> None:
    lose_catalogue(lake)
    for _ in range(2):
        with pytest.raises(LakeDamaged, match="has no catalogue, and there are data files in") as caught:
            Lake.open(lake, purpose="test")
        assert caught.value.part is Part.CATALOGUE
        assert "Put the catalogue back from " in caught.value.next_move
    with pytest.raises(LakeDamaged, match="has no catalogue, and there are data"):
        open_reader(lake)


def test_a_server_without_a_lake_has_nothing_published_yet(location: LakeLocation) -> None:
    with pytest.raises(LakeUnreachable, match="finish a first run, then read again"):
        open_reader(location)


def lose_catalogue(location: LakeLocation) -> None:
    if isinstance(location.catalogue, PostgresCatalogue):
        with connect(location.catalogue) as con:
            con.execute(f"DROP SCHEMA {location.catalogue.schema} CASCADE")  # type: ignore[arg-type] # of this module
        return
    location.catalogue.unlink()
    shutil.rmtree(location.published)
