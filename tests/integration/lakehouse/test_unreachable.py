"""Servers that are away, refuse, or hang up in the middle: the right error, and the lake as it was."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lakehouse import Lake, LakeLocation, LakeUnreachable, PostgresCatalogue, S3Keys, open_reader
from tests.lib.cutting_proxy import cutting_proxy
from tests.lib.lakes import commit, committed, opened, read, upkeep
from tests.lib.servers.ports import free_port
from tests.lib.servers.postgres import PostgresServer
from tests.lib.servers.s3 import S3Server


@pytest.fixture
def on_server(postgres: PostgresServer, tmp_path: Path, request: pytest.FixtureRequest) -> LakeLocation:
    """Return a lake with a PostgreSQL catalogue and its data in a folder."""
    catalogue = postgres.create_database(f"unreachable_{abs(hash(request.node.name))}")
    location = LakeLocation(catalogue=catalogue, data=tmp_path / "data", published=tmp_path / "published")
    with opened(location):
        pass
    return location


@pytest.mark.parametrize("wrong", [{"port": 1}, {"password": "wrong-password"}, {"database": "missing"}])
def test_a_catalogue_server_that_is_away_or_refuses(on_server: LakeLocation, wrong: dict[str, object]) -> None:
    location = replace(on_server, catalogue=replace(on_server.catalogue, **wrong))  # type: ignore[type-var]
    for attempt in (lambda: Lake.open(location, purpose="test"), lambda: open_reader(location)):
        with pytest.raises(LakeUnreachable, match="check that the server runs") as raised:
            attempt()
        assert "wrong-password" not in str(raised.value)
        assert "test-password" not in str(raised.value)
        assert raised.value.retryable


@pytest.mark.parametrize("wrong", ["port", "secret", "bucket"])
def test_a_data_server_that_is_away_or_refuses(s3: S3Server, tmp_path: Path, wrong: str) -> None:
    right = LakeLocation(
        catalogue=tmp_path / "lake.ducklake",
        data=f"{s3.create_bucket(f'away-{wrong}')}/data",
        published=tmp_path / "published",
        s3=s3.access,
    )
    with opened(right) as lake:
        commit(lake, "a", 0)
    wrong_keys = partial(S3Keys, key_id=s3.key_id, secret="wrong-password")
    location = {
        "port": replace(right, s3=replace(s3.access, endpoint=f"127.0.0.1:{free_port()}")),
        "secret": replace(right, s3=replace(s3.access, keys=wrong_keys)),
        "bucket": replace(right, data="s3://no-such-bucket/data"),
    }[wrong]
    with opened(location) as lake:
        with pytest.raises(LakeUnreachable) as raised:
            commit(lake, "a", 1)
        assert "wrong-password" not in str(raised.value)
    assert read(right) == {"a": 1, "all": 1}


@pytest.mark.parametrize("server_hears_it", [False, True])
def test_a_connection_cut_during_commit_leaves_all_or_nothing(on_server: LakeLocation, server_hears_it: bool) -> None:
    assert isinstance(on_server.catalogue, PostgresCatalogue)
    with cutting_proxy(on_server.catalogue.port) as proxy:
        through = replace(on_server, catalogue=replace(on_server.catalogue, port=proxy.port))
        with opened(through) as lake:
            commit(lake, "a", 0)
            before = lake.snapshots()
            # Cut after the server was told to commit: DuckLake takes it for lost and deletes its files.
            proxy.cut(after=b"COMMIT", pass_on=server_hears_it)
            with pytest.raises(LakeUnreachable):
                commit(lake, "a", 1)
            assert proxy.cuts == 1
            assert lake.snapshots() == before
            assert committed(lake.con) == {"a": 1, "all": 1}
            commit(lake, "a", 1)
    with opened(on_server, alone=True) as lake:
        assert committed(lake.con) == {"a": 2, "all": 2}
        upkeep(lake)
        assert committed(lake.con) == {"a": 2, "all": 2}
