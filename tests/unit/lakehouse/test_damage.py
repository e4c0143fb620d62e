"""Lost or broken files of a lake: reported with the intact part, and repaired from it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse import Lake, LakeDamaged, LakeIncompatible, LakeLocation, open_reader
from lakehouse.damage import naming_damage, require_whole
from lakehouse.errors import Part
from lakehouse.inventory import lost_files, read_catalogue
from lakehouse.location import PostgresCatalogue
from lakehouse.repair import repair_catalogue
from tests.lib.damages import (
    OF_A_DATA_FILE,
    OF_A_DATABASE,
    data_files,
    empty,
    overwrite,
    remove,
    write_another_database,
    zero_a_page,
)
from tests.lib.lakes import commit, local_lake, opened, read

Damage = Callable[[Path], None]
COMMITS = 3


def test_another_database_is_refused_and_stays_where_it_is(lake: LakeLocation) -> None:
    catalogue = catalogue_of(lake)
    write_another_database(catalogue)
    before = catalogue.read_bytes()
    with pytest.raises(LakeIncompatible, match="1 tables of its own"):
        Lake.open(lake, purpose="test")
    with pytest.raises(LakeIncompatible, match="1 tables of its own"):
        repair_catalogue(lake)
    assert catalogue.read_bytes() == before
    assert read(lake) == {"w": COMMITS, "all": COMMITS}


def test_work_on_a_lake_that_was_never_made_makes_none(tmp_path: Path) -> None:
    nowhere = local_lake(tmp_path / "home" / "lake")
    with pytest.raises(LakeIncompatible, match="there is no lake yet at"):
        Lake.open(nowhere, purpose="maintenance", alone=True, create=False)
    assert list(tmp_path.iterdir()) == []


def test_work_on_an_existing_lake_opens_it(lake: LakeLocation) -> None:
    with Lake.open(lake, purpose="maintenance", alone=True, create=False) as opened_:
        assert opened_.snapshot().id == COMMITS + 1


def test_data_files_without_a_catalogue_are_no_missing_lake(lake: LakeLocation) -> None:
    catalogue_of(lake).unlink()
    lake.published_catalogue.unlink()
    with pytest.raises(LakeDamaged, match="has no catalogue, and there are data files"):
        Lake.open(lake, purpose="maintenance", alone=True, create=False)


@pytest.fixture
def lake(location: LakeLocation) -> LakeLocation:
    """A lake with three commits, closed."""
    with opened(location) as lake:
        for number in range(COMMITS):
            commit(lake, "w", number)
    return location


def catalogue_of(location: LakeLocation) -> Path:
    assert isinstance(location.catalogue, Path)
    return location.catalogue


@pytest.mark.parametrize("damage", OF_A_DATABASE)
def test_a_damaged_catalogue_is_named_and_its_copy_takes_its_place(damage: Damage, lake: LakeLocation) -> None:
    catalogue = catalogue_of(lake)
    damage(catalogue)
    copied = lake.published_catalogue.read_bytes()
    with pytest.raises(LakeDamaged, match="whole, at snapshot 4") as caught, Lake.open(lake, purpose="test") as opened_:
        # A page that opening does not read is met by what reads it.
        opened_.con.execute("FROM __ducklake_metadata_lake.ducklake_file_column_stats").fetchall()
        commit(opened_, "w", COMMITS)
    assert caught.value.part is Part.CATALOGUE
    assert "restore --catalogue" in caught.value.next_move
    assert str(catalogue) in str(caught.value)
    # Nothing was made in its place, and readers go on.
    assert lake.published_catalogue.read_bytes() == copied
    assert read(lake) == {"w": COMMITS, "all": COMMITS}
    done = repair_catalogue(lake)
    assert (done.part, done.snapshot) == (Part.CATALOGUE, 4)
    assert (done.kept is not None and done.kept.exists()) is (damage is not remove)
    with opened(lake) as repaired:
        commit(repaired, "w", COMMITS)
    assert read(lake) == {"w": COMMITS + 1, "all": COMMITS + 1}


@pytest.mark.parametrize("damage", [*OF_A_DATABASE, write_another_database])
def test_a_damaged_copy_is_named_and_made_anew(damage: Damage, lake: LakeLocation) -> None:
    damage(lake.published_catalogue)
    with (
        pytest.raises(LakeDamaged) as caught,
        open_reader(lake, threads=1) as con,
        naming_damage(con, lake, is_reader=True),
    ):
        con.execute("FROM __ducklake_metadata_lake.ducklake_file_column_stats").fetchall()
        con.execute("FROM lake.published.tally").fetchall()
        con.execute("FROM ducklake_snapshots('lake')").fetchall()
    assert caught.value.part is Part.COPY
    assert repair_catalogue(lake).part in (Part.COPY, None)
    assert read_catalogue(lake.published_catalogue).snapshot == 4
    assert read(lake) == {"w": COMMITS, "all": COMMITS}


@pytest.mark.parametrize("damage", OF_A_DATA_FILE)
def test_a_lost_data_file_is_named_with_the_snapshot_before_it(damage: Damage, lake: LakeLocation) -> None:
    first, *_, last = data_files(lake, "raw.event")
    damage(last)
    with open_reader(lake, threads=1) as con:
        [lost], count = lost_files(con, lake)
        assert (lost.table, lost.path, lost.since) == ("raw.event", str(last), 4)
        assert count > 1
        with pytest.raises(LakeDamaged) as caught, naming_damage(con, lake, is_reader=True):
            con.execute("FROM lake.raw.event").fetchall()
    assert caught.value.part is Part.FILES
    assert "dataflow restore --lost-files" in caught.value.next_move
    assert str(last) in str(caught.value)
    with Lake.open(lake, purpose="test") as opened_:
        with pytest.raises(LakeDamaged, match="1 data file, of raw"):
            require_whole(opened_.con, lake)
        opened_.restore_table("raw.event", 3, author="test", run_id="test")
        require_whole(opened_.con, lake)
        assert opened_.con.execute("SELECT count(DISTINCT number) FROM lake.raw.event").fetchone() == (COMMITS - 1,)
    damage(first)
    with pytest.raises(LakeDamaged, match="only older snapshots need"), Lake.open(lake, purpose="test") as opened_:
        require_whole(opened_.con, lake)
        opened_.con.execute("FROM lake.raw.event AT (VERSION => 3)").fetchall()


def test_a_data_file_of_damaged_content_is_named(lake: LakeLocation) -> None:
    *_, last = data_files(lake, "raw.event")
    overwrite(last)
    with open_reader(lake, threads=1) as con:
        assert lost_files(con, lake)[0] == []
        [damaged], _ = lost_files(con, lake, read=True)
        assert (damaged.path, damaged.found) == (str(last), damaged.expected)
        with (
            pytest.raises(LakeDamaged, match="cannot be read: its content is damaged") as caught,
            naming_damage(con, lake, is_reader=True),
        ):
            con.execute("FROM lake.raw.event").fetchall()
    assert caught.value.part is Part.FILES
    assert str(last) in str(caught.value)


def test_a_whole_lake_needs_no_repair(lake: LakeLocation) -> None:
    before = catalogue_of(lake).read_bytes()
    done = repair_catalogue(lake)
    assert (done.part, done.snapshot, done.kept) == (None, 4, None)
    assert catalogue_of(lake).read_bytes() == before
    with Lake.open(lake, purpose="test") as opened_:
        require_whole(opened_.con, lake)


def test_neither_is_whole(lake: LakeLocation) -> None:
    zero_a_page(catalogue_of(lake))
    remove(lake.published_catalogue)
    damaged = catalogue_of(lake).read_bytes()
    with pytest.raises(LakeDamaged, match="not whole either: it is not there") as caught:
        repair_catalogue(lake)
    assert "from a backup" in caught.value.next_move
    assert catalogue_of(lake).read_bytes() == damaged


def test_a_lake_on_a_server_is_the_servers(tmp_path: Path) -> None:
    server = PostgresCatalogue(host="localhost", database="d", user="u")
    with pytest.raises(LakeIncompatible, match="the server's own backup"):
        repair_catalogue(LakeLocation(catalogue=server, data=tmp_path, published=tmp_path))


KILLED = """
import os, sys
from pathlib import Path
from tests.lib.lakes import commit, local_lake
from lakehouse import Lake
lake = Lake.open(local_lake(Path(sys.argv[1])), purpose="killed")
commit(lake, "w", 3)
os._exit(9)
"""


@pytest.mark.parametrize("share", [0.5, 0.0])
def test_a_torn_log_of_a_killed_process_does_not_take_the_lake_back(share: float, lake: LakeLocation) -> None:
    folder = catalogue_of(lake).parent
    subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    log = Path(f"{catalogue_of(lake)}.wal")
    os.truncate(log, int(log.stat().st_size * share))
    with pytest.raises(LakeDamaged, match="older than what readers see"):
        Lake.open(lake, purpose="test")
    assert repair_catalogue(lake).snapshot == 5
    assert not log.exists()
    with opened(lake) as repaired:
        commit(repaired, "w", 4)
    assert read(lake) == {"w": 5, "all": 5}


def test_an_interrupted_repair_is_repeated(lake: LakeLocation) -> None:
    empty(catalogue_of(lake))
    catalogue_of(lake).rename(f"{catalogue_of(lake)}.damaged-by-hand")
    with pytest.raises(LakeDamaged, match="it is not there"):
        Lake.open(lake, purpose="test")
    assert repair_catalogue(lake).part is Part.CATALOGUE
    assert read(lake) == {"w": COMMITS, "all": COMMITS}
