"""The door on a lake in files and on one over PostgreSQL and S3: attacks change nothing, questions are answered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from psycopg import sql as psql
from psycopg.errors import InsufficientPrivilege
from pydantic import SecretStr

from dataflow.access.door import Door, open_for
from dataflow.access.lake import lake_location
from dataflow.access.pool import ConnectionPool
from dataflow.access.who import Purpose, Who
from dataflow.errors import UsageError
from dataflow.settings import Settings
from dataflow.settings.model import LakeSettings
from lakehouse import PostgresCatalogue
from tests.lib.attacks import ATTACKS, HARMLESS
from tests.lib.lakes import commit, opened
from tests.lib.servers.postgres import PostgresServer, connect
from tests.lib.servers.s3 import S3Server

READER = Who("tests")


@dataclass(frozen=True)
class Place:
    """A lake of three commits, what an attack would like to reach, and the door to it."""

    settings: Settings
    folders: tuple[Path, ...]
    outside: Path
    door: Door

    def attack(self, statement: str) -> str:
        catalogue = lake_location(self.settings).catalogue
        return statement.format(
            data=self.door.location.data_path,
            catalogue=_address(catalogue) if isinstance(catalogue, PostgresCatalogue) else catalogue,
            outside=self.outside,
            secret=self.outside / "secret.csv",
        )

    def files(self) -> dict[str, str]:
        """Hash every file of the lake and beside it; the log of what was refused grows."""
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
            for folder in (*self.folders, self.outside)
            for path in sorted(folder.rglob("*"))
            if self.settings.home / "access" not in (path, *path.parents)
        }

    def catalogue(self) -> dict[str, str]:
        """Hash every table of a catalogue on a server; a catalogue in a file is among the files."""
        catalogue = lake_location(self.settings).catalogue
        return _tables(catalogue) if isinstance(catalogue, PostgresCatalogue) else {}


@pytest.fixture(scope="module", params=["file", "postgres-s3"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("door")
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.csv").write_text("a,b\n1,2\n")
    if request.param == "file":
        lake, folders = _files(home), (home,)
    else:
        lake, folders = _servers(request, home), (home, request.getfixturevalue("s3").folder)
    settings = Settings(home=home, lake=lake)
    with opened(lake_location(settings)) as made:
        for number in range(3):
            commit(made, "a", number)
    if request.param != "file":
        settings = _as_reader(request, settings)
    with open_for(READER, Purpose.ANALYSIS, door="query", settings=settings) as door:
        yield Place(settings, folders, outside, door)


def _files(home: Path) -> LakeSettings:
    lake = home / "lake"
    return LakeSettings(
        catalogue=str(lake / "catalogue.ducklake"),
        data=str(lake / "data"),
        published=str(lake / "published"),
        threads=1,
    )


def _servers(request: pytest.FixtureRequest, home: Path) -> LakeSettings:
    postgres: PostgresServer = request.getfixturevalue("postgres")
    s3: S3Server = request.getfixturevalue("s3")
    address = postgres.address(postgres.create_database("door"))
    data = f"{s3.create_bucket('door')}/data"
    return LakeSettings(catalogue=address, data=data, published=str(home / "published"), s3=s3.settings, threads=1)


def _as_reader(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """The same with a role of the server for readers, which has SELECT only."""
    postgres: PostgresServer = request.getfixturevalue("postgres")
    written = lake_location(settings).catalogue
    assert isinstance(written, PostgresCatalogue)
    reader = SecretStr(postgres.address(postgres.create_reader("door_reader", written)))
    return settings.model_copy(update={"lake": settings.lake.model_copy(update={"catalogue_reader": reader})})


def _address(catalogue: PostgresCatalogue) -> str:
    return (
        f"host={catalogue.host} port={catalogue.port} dbname={catalogue.database} user={catalogue.user}"
        f" password={catalogue.password}"
    )


def _tables(catalogue: PostgresCatalogue) -> dict[str, str]:
    with connect(catalogue) as con:
        names = [
            str(name)
            for (name,) in con.execute(
                "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'"
                " AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)"
            ).fetchall()
        ]
        held = {}
        for name in names:
            table = psql.SQL(name)  # type: ignore[arg-type]  # as PostgreSQL itself quotes it
            rows = con.execute(psql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(table)).fetchall()
            held[name] = hashlib.sha256(repr(rows).encode()).hexdigest()
        return held


def test_each_attack_is_refused_and_changes_nothing(place: Place) -> None:
    files, catalogue = place.files(), place.catalogue()
    assert any(name.endswith(".parquet") for name in files)
    for statement in ATTACKS:
        with pytest.raises(UsageError):
            place.door.query(place.attack(statement))
        assert place.files() == files, statement
    assert place.catalogue() == catalogue


@pytest.mark.parametrize("statement", HARMLESS)
def test_a_harmless_statement_is_answered(place: Place, statement: str) -> None:
    assert list(place.door.query(statement).rows())


def test_the_state_as_of_a_snapshot_is_answered(place: Place) -> None:
    question = "select commits from published.tally where worker = 'a'"
    first, _, last = place.door.view.snapshots()[-3:]
    with open_for(READER, Purpose.ANALYSIS, door="query", settings=place.settings, as_of=first.id) as door:
        assert (door.as_of, list(door.query(question).rows())) == (first.id, [(1,)])
    with open_for(READER, Purpose.ANALYSIS, door="query", settings=place.settings, as_of=last.at) as door:
        assert list(door.query(question).rows()) == [(3,)]


def test_the_door_leaves_no_folder_behind(place: Place) -> None:
    with open_for(READER, Purpose.OPERATION, door="status", settings=place.settings) as door:
        [(spill,)] = door.con.execute("SELECT current_setting('temp_directory')").fetchall()
        assert Path(spill).stat().st_mode & 0o777 == 0o700
    assert not Path(spill).exists()


def test_a_kept_connection_reads_one_commit_and_never_an_older_one(place: Place) -> None:
    question = "select max(commits) from published.tally"

    def asked(door: Door) -> int:
        [(commits,)] = door.con.execute(question).fetchall()
        assert list(door.query(question).rows()) == [(commits,)]
        return int(commits)

    with closing(ConnectionPool()) as pool:
        for _ in range(2):
            with open_for(READER, Purpose.ANALYSIS, door="query", settings=place.settings, pool=pool) as door:
                before = asked(door)
                with opened(lake_location(place.settings)) as made:
                    commit(made, "a", before)
                assert asked(door) == before
            with open_for(READER, Purpose.ANALYSIS, door="query", settings=place.settings, pool=pool) as door:
                assert asked(door) == before + 1


def test_the_role_of_readers_cannot_write_whatever_statement_reaches_it(place: Place) -> None:
    catalogue = place.door.location.catalogue
    if not isinstance(catalogue, PostgresCatalogue):
        assert place.settings.lake.catalogue_reader is None
        return
    assert catalogue.user == "door_reader"
    before = place.catalogue()
    with connect(catalogue) as con:
        for statement in (
            "DELETE FROM lake_meta.ducklake_snapshot",
            "CREATE TABLE lake_meta.x (i int)",
            "CREATE SCHEMA x",
        ):
            with pytest.raises(InsufficientPrivilege):
                con.execute(statement.encode())
    with pytest.raises(duckdb.Error):
        place.door.con.execute(
            "FROM postgres_query('__ducklake_metadata_lake', 'select pg_read_file(''/etc/passwd'')')"
        )
    assert place.catalogue() == before
