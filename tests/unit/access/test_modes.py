"""Files are their user's alone, or a group's as well, and never those of the others of a machine."""

import grp
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflow.access.lake import open_lake
from dataflow.access.modes import correct, files_shared_as, find_misplaced, prepare_folders, private_files, share_files
from dataflow.cli.main import run
from dataflow.errors import ConfigurationError
from dataflow.run.session import open_run
from dataflow.settings import Settings, load_settings
from tests.lib.modes import member_of_a_group, modes_below


@pytest.fixture
def group() -> Iterator[tuple[str, int]]:
    with member_of_a_group() as found:
        yield found


def shared(home: Path, name: str) -> Settings:
    settings = load_settings(home=home)
    return settings.model_copy(update={"lake": settings.lake.model_copy(update={"group": name})})


def open_to_all(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.fixture
def used(tmp_path: Path) -> Settings:
    """A home with a lake in it that an earlier version has left open to everybody, and secrets beside it."""
    settings = load_settings(home=tmp_path / "home")
    with open_run(settings, "ingest") as session:
        session.conclude("landed", "nothing")
    Path(settings.reports).mkdir()
    (Path(settings.reports) / "latest.html").write_text("report")
    open_to_all(settings.home)
    return settings


def test_the_umask_holds_for_the_block() -> None:
    before = os.umask(0o022)
    os.umask(before)
    with private_files():
        assert os.umask(0o077) == 0o077
    assert os.umask(before) == before


@pytest.mark.parametrize(("mode", "umask"), [(0o700, 0o077), (0o2770, 0o007)])
def test_a_worker_writes_for_those_who_read_its_folder(mode: int, umask: int, tmp_path: Path) -> None:
    tmp_path.chmod(mode)
    with files_shared_as(tmp_path):
        assert os.umask(umask) == umask


def test_what_is_open_is_found_and_mended(used: Settings) -> None:
    found, seen = find_misplaced(used)
    assert len(found) == seen == len(modes_below(used.home))
    for each in found:
        correct(each)
    assert find_misplaced(used) == ([], seen)
    assert {mode for mode, _ in modes_below(used.home).values()} == {"0700", "0600"}


def test_a_home_opened_to_all_is_mended(used: Settings) -> None:
    for path in (used.home, *used.home.rglob("*")):
        path.chmod(0o777)
    for each in find_misplaced(used)[0]:
        correct(each)
    assert {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in used.home.rglob("*")} == {
        (True, 0o700),
        (False, 0o600),
    }


def test_files_of_others_in_the_same_folder_are_left_alone(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, warehouse={"path": str(tmp_path / "w.duckdb")})
    for name in ("setup.py", "w.duckdb", "w.duckdb.1.draft", "w.duckdb2"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o755)
    for each in find_misplaced(settings)[0]:
        correct(each)
    modes = {name: mode for name, (mode, _) in modes_below(tmp_path).items()}
    assert modes == {
        ".": "0700",
        "setup.py": "0755",
        "w.duckdb": "0600",
        "w.duckdb.1.draft": "0600",
        "w.duckdb2": "0755",
    }


def test_doctor_names_and_mends(
    used: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(used.home.parent)
    (used.home.parent / ".env").write_text("SECRET=1")
    (used.home.parent / ".env").chmod(0o644)
    count = len(modes_below(used.home)) + 1

    def probe(*options: str) -> tuple[dict[str, object], str]:
        capsys.readouterr()
        run(["--home", str(used.home), "doctor", "-o", "json", *options])
        told = capsys.readouterr()
        return {each["name"]: each for each in json.loads(told.out)}["file modes"], told.err

    found, _ = probe()
    assert not found["is_well"]
    assert str(found["found"]).startswith(f"{count} of {count} files and folders are open to the wrong users: ")
    assert f"{used.home} (0755)" in str(found["found"])
    assert found["fix"] == "dataflow doctor --fix-modes"
    found, told = probe("--fix-modes")
    assert found["is_well"]
    assert f"Corrected the modes of {count} files and folders." in told
    assert stat.S_IMODE((used.home.parent / ".env").stat().st_mode) == 0o600


def test_a_shared_home_is_the_groups(tmp_path: Path, group: tuple[str, int]) -> None:
    name, number = group
    settings = shared(tmp_path / "a" / "home", name)
    with private_files():
        share_files(settings)
        with open_run(settings, "ingest") as session:
            session.conclude("landed", "nothing")
    modes = modes_below(settings.home)
    assert set(modes.values()) == {("2770", number), ("0660", number)}
    assert {"lake/data/ops/run", "lake/published/catalogue.ducklake", "lake/catalogue.ducklake.lock"} <= set(modes)
    assert find_misplaced(settings)[0] == []


def test_a_home_that_becomes_shared_is_mended_first(used: Settings, group: tuple[str, int]) -> None:
    settings = shared(used.home, group[0])
    with pytest.raises(ConfigurationError, match="doctor --fix-modes"):
        prepare_folders(settings)
    for each in find_misplaced(settings)[0]:
        correct(each)
    assert set(modes_below(used.home).values()) == {("2770", group[1]), ("0660", group[1])}
    prepare_folders(settings)
    open_lake(settings, purpose="test").close()


def test_secrets_are_not_shared(tmp_path: Path, group: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("SECRET=1")
    (tmp_path / ".env").chmod(0o640)
    [found] = find_misplaced(shared(tmp_path / "home", group[0]))[0]
    correct(found)
    assert modes_below(tmp_path)[".env"] == ("0600", os.getegid())


def test_a_folder_beside_the_home_is_made_or_refused(tmp_path: Path, group: tuple[str, int]) -> None:
    settings = shared(tmp_path / "home", group[0])
    elsewhere = tmp_path / "disk" / "data"
    settings = settings.model_copy(update={"lake": settings.lake.model_copy(update={"data": str(elsewhere)})})
    prepare_folders(settings)
    assert modes_below(tmp_path / "disk") == {".": ("2770", group[1]), "data": ("2770", group[1])}
    elsewhere.chmod(0o755)
    with pytest.raises(ConfigurationError, match=rf"{elsewhere}.*chgrp {group[0]}"):
        prepare_folders(settings)


def test_a_group_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="which this machine does not have"):
        share_files(shared(tmp_path, "no-such-group"))
    mine = {os.getegid(), *os.getgroups()}
    foreign = next(each.gr_name for each in grp.getgrall() if each.gr_gid not in mine)
    with pytest.raises(ConfigurationError, match=f"{foreign}, of which this user is not a member"):
        share_files(shared(tmp_path, foreign))


def test_what_init_writes_is_private_so_that_a_copy_with_secrets_is(tmp_path: Path) -> None:
    assert run(["init", str(tmp_path / "project")]) == 0
    modes = modes_below(tmp_path / "project")
    assert {name: mode for name, (mode, _) in modes.items()} == {
        ".": "0700",
        "dataflow.toml": "0600",
        ".env.example": "0600",
        "prefect.yaml": "0600",
    }


def test_a_named_folder_that_is_a_link_is_followed_and_a_link_below_it_is_not(used: Settings, tmp_path: Path) -> None:
    data, disk, other = Path(used.lake.data), tmp_path / "disk", tmp_path / "other"
    data.rename(disk)
    data.symlink_to(disk)
    other.mkdir()
    (disk / "elsewhere").symlink_to(other)
    (disk / "loose.parquet").write_text("x")
    open_to_all(disk)
    other.chmod(0o755)
    found = {each.path for each in find_misplaced(used)[0]}
    assert {disk, disk / "loose.parquet"} <= found
    for each in find_misplaced(used)[0]:
        correct(each)
    assert (stat.S_IMODE(disk.stat().st_mode), stat.S_IMODE(other.stat().st_mode)) == (0o700, 0o755)
    assert find_misplaced(used)[0] == []
