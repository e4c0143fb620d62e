"""What each command says of a lake that has lost a file, and that the way back it names leads back."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.access.lake import lake_location
from dataflow.access.modes import private_files
from dataflow.cli.main import run
from dataflow.settings import Settings
from tests.lib.damages import cut_in_half, data_files, empty, overwrite, remove, zero_a_page
from tests.lib.homes import LATER

Damage = Callable[[Path], None]


WRITING = (["run", "--now", LATER], ["maintain"])
READING = (["status"], ["query", "from published.segments"], ["plan"], ["dlq", "list"], ["review", "list"])


class Told:
    """What commands say about one home."""

    def __init__(self, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self._capsys = settings.home, capsys

    def by(self, *arguments: str, code: int) -> str:
        """What a command printed, none of which is a traceback or an excuse."""
        self._capsys.readouterr()
        assert run(["--home", str(self.home), *arguments]) == code, self._capsys.readouterr().err
        told = self._capsys.readouterr()
        assert "defect" not in told.err
        assert "Traceback" not in told.err
        return told.out + told.err

    def by_doctor(self) -> dict[str, str]:
        """Each failed probe, with the fix it names."""
        self._capsys.readouterr()
        run(["--home", str(self.home), "doctor", "-o", "json"])
        found = json.loads(self._capsys.readouterr().out)
        return {each["name"]: each["found"] + each["fix"] for each in found if not each["is_well"]}


@pytest.fixture
def told(published: Settings, capsys: pytest.CaptureFixture[str]) -> Told:
    return Told(published, capsys)


@pytest.mark.parametrize("damage", [zero_a_page, remove])
def test_a_damaged_catalogue(damage: Damage, told: Told, published: Settings) -> None:
    with private_files():
        damage(Path(published.lake.catalogue))
    found = told.by_doctor()
    assert set(found) == {"lake"}
    assert "dataflow restore --catalogue" in found["lake"]
    for command in WRITING:
        assert "`dataflow restore --catalogue` puts it in its place" in told.by(*command, code=1)
    for command in READING:
        told.by(*command, code=0)
    assert "Restored the catalogue; the lake is at snapshot" in told.by("restore", "--catalogue", code=0)
    assert told.by_doctor() == {}
    assert "nothing to restore" in told.by("restore", "--catalogue", code=0)
    told.by("maintain", code=0)


@pytest.mark.parametrize("damage", [cut_in_half, empty, remove])
def test_the_status_names_damage_that_is_seen_without_opening_the_catalogue(
    damage: Damage, told: Told, published: Settings
) -> None:
    assert "damaged:" not in told.by("status", code=0)
    assert json.loads(told.by("status", "-o", "json", code=0))["damaged"] is None
    with private_files():
        damage(Path(published.lake.catalogue))
    first = told.by("status", code=0).splitlines()[0]
    assert first.startswith(f"damaged: the catalogue {published.lake.catalogue} is ")
    assert first.endswith("(dataflow doctor)")
    assert json.loads(told.by("status", "-o", "json", code=0))["damaged"] in first


@pytest.mark.parametrize("damage", [zero_a_page, remove])
def test_a_damaged_copy_for_readers(damage: Damage, told: Told, published: Settings) -> None:
    damage(lake_location(published).published_catalogue)
    if damage is remove:  # a page may be one that they do not need
        for command in READING:
            assert "`dataflow restore --catalogue` writes it anew" in told.by(*command, code=1)
    assert "`dataflow restore --catalogue` writes it anew" in told.by_doctor()["published lake"]
    told.by("restore", "--catalogue", code=0)
    assert told.by_doctor() == {}
    told.by("status", code=0)


@pytest.mark.parametrize("damage", [cut_in_half, remove])
@pytest.mark.parametrize("table", ["published.segments", "raw.mysql_orders"])
def test_a_lost_data_file(damage: Damage, table: str, told: Told, published: Settings) -> None:
    [file] = data_files(lake_location(published), table)
    damage(file)
    found = told.by_doctor()
    assert set(found) == {"lake files"}
    assert str(file) in found["lake files"]
    assert f"damaged: 1 data file of {table} is missing or cut off" in told.by("status", code=0)
    assert "from a backup" in found["lake files"]
    for command in (*WRITING, ["query", f"from {table}"], ["query", "-o", "csv", f"select * from {table}"]):
        printed = told.by(*command, code=1)
        assert str(file) in printed
        assert "dataflow restore --" in printed
    told.by("query", "select count(*) from published.orders", code=0)


def test_going_on_without_a_lost_data_file(told: Told, published: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    place = lake_location(published)
    for table in ("published.segments", "raw.mysql_orders"):
        [file] = data_files(place, table)
        remove(file)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert "Nothing was restored. Answer y, or give --yes." in told.by("restore", "--lost-files", code=2)
    printed = told.by("restore", "--lost-files", "--yes", code=0)
    assert "`dataflow run` brings the rest back" in printed
    assert "Restored raw.mysql_orders to snapshot " in printed
    assert "every table that runs make to snapshot " in printed
    assert told.by_doctor() == {}
    told.by("query", "from published.segments", code=0)
    assert "nothing to restore" in told.by("restore", "--lost-files", code=0)


def test_a_data_file_of_damaged_content(told: Told, published: Settings) -> None:
    [file] = data_files(lake_location(published), "published.segments")
    overwrite(file)
    for form in ("table", "csv"):
        printed = told.by("query", "-o", form, "select * from published.segments", code=1)
        assert f"{file} cannot be read: its content is damaged" in printed
        assert "`dataflow restore --lost-files`" in printed
    told.by("restore", "--lost-files", "--yes", code=0)
    told.by("query", "from published.segments", code=0)
    # In a whole lake an error of one's own SQL stays that, whatever it says.
    assert "The query cannot be run" in told.by("query", "select error('parquet file')", code=2)


@pytest.mark.parametrize("arguments", [[], ["--catalogue", "--to", "3"], ["--lost-files", "--table", "raw.x"]])
def test_restore_wants_one_of_them(arguments: list[str], told: Told) -> None:
    assert "Give one of them" in told.by("restore", *arguments, code=2)


def test_a_lake_without_catalogue_and_copy(told: Told, published: Settings) -> None:
    remove(Path(published.lake.catalogue))
    remove(lake_location(published).published_catalogue)
    assert "Put the catalogue back from a backup" in told.by_doctor()["lake"]
    for command in (*WRITING, *READING, ["dlq", "discard", "--why", "x", "3f2a91"]):
        assert "has no catalogue, and there are data files in" in told.by(*command, code=1)
    assert not Path(published.lake.catalogue).exists()
