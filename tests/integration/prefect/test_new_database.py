"""A new home gets a copy of Prefect's empty database, and never over one in use."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from flows import new_database


@pytest.fixture
def prefect_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PREFECT_API_DATABASE_CONNECTION_URL", raising=False)
    home = tmp_path / "prefect"
    home.mkdir()
    return home


def revision(database: Path) -> list[tuple[str]]:
    with closing(sqlite3.connect(database)) as con:
        return con.execute("SELECT version_num FROM alembic_version").fetchall()


def test_the_copy_is_what_this_prefect_would_migrate_to(prefect_home: Path) -> None:
    new_database.lay_down(prefect_home)
    database = prefect_home / "prefect.db"
    before = revision(database)
    migrate = "import asyncio; from flows.prefect_server import make_database; asyncio.run(make_database())"
    subprocess.run(
        [sys.executable, "-c", migrate],
        env={
            "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{database}",
            "PREFECT_HOME": str(prefect_home),
        },
        check=True,
    )
    assert len(before) == 1
    assert revision(database) == before
    assert list(prefect_home.glob("new-*")) == []


def test_a_database_in_use_stays(prefect_home: Path) -> None:
    database = prefect_home / "prefect.db"
    database.write_text("in use")
    new_database.lay_down(prefect_home)
    assert database.read_text() == "in use"


def test_a_database_that_appears_meanwhile_stays(prefect_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = prefect_home / "prefect.db"

    def copy_slowly(source: Path, target: Path) -> None:
        database.write_text("the other's")
        target.write_bytes(source.read_bytes())

    monkeypatch.setattr("flows.new_database.shutil.copyfile", copy_slowly)
    new_database.lay_down(prefect_home)
    assert database.read_text() == "the other's"
    assert list(prefect_home.glob("new-*")) == []


def test_without_an_original_an_empty_file_is_laid_down(prefect_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.new_database.original", lambda: prefect_home / "none.db")
    new_database.lay_down(prefect_home)
    assert [(path.name, path.stat().st_size) for path in prefect_home.iterdir()] == [("prefect.db", 0)]


def test_with_another_database_nothing_is_laid_down(prefect_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", "sqlite+aiosqlite:///elsewhere.db")
    new_database.lay_down(prefect_home)
    assert list(prefect_home.iterdir()) == []
