"""Every kind of lake: {DuckDB file, PostgreSQL} × {folder, S3}."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from lakehouse import LakeLocation
from tests.lib.servers.postgres import PostgresServer
from tests.lib.servers.s3 import S3Server

KINDS = ("file-folder", "file-s3", "postgres-folder", "postgres-s3")
# Between them these use each kind of catalogue and of data: enough for what one process does by itself.
OPPOSITE_KINDS = ("file-folder", "postgres-s3")

_numbers = itertools.count(1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests of several processes get every kind of lake, the others two; in a soak all get all."""
    if "location" in metafunc.fixturenames:
        every = metafunc.config.getoption("--soak") or metafunc.module.__name__.endswith("test_many_processes")
        metafunc.parametrize("location", KINDS if every else OPPOSITE_KINDS, indirect=True)


@pytest.fixture
def location(request: pytest.FixtureRequest, tmp_path: Path) -> LakeLocation:
    """Return the place of a lake that is not there yet."""
    catalogue, data = str(request.param).split("-")
    number = next(_numbers)
    return LakeLocation(
        catalogue=(
            _postgres(request).create_database(f"lake_{number}")
            if catalogue == "postgres"
            else tmp_path / "lake.ducklake"
        ),
        data=f"{_s3(request).create_bucket(f'lake-{number}')}/data" if data == "s3" else tmp_path / "data",
        published=tmp_path / "published",
        s3=_s3(request).access if data == "s3" else None,
    )


@pytest.fixture
def folders(location: LakeLocation, tmp_path: Path, request: pytest.FixtureRequest) -> list[Path]:
    """Return the folders in which the lake's files really are."""
    if isinstance(location.data, str):
        return [tmp_path, _s3(request).folder / location.data.removeprefix("s3://").split("/")[0]]
    return [tmp_path]


def _postgres(request: pytest.FixtureRequest) -> PostgresServer:
    server = request.getfixturevalue("postgres")
    assert isinstance(server, PostgresServer)
    return server


def _s3(request: pytest.FixtureRequest) -> S3Server:
    server = request.getfixturevalue("s3")
    assert isinstance(server, S3Server)
    return server
