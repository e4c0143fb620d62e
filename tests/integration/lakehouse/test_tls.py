"""A lake over TLS: PostgreSQL and S3 are spoken to by TLS 1.3, and only when their certificate holds."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from lakehouse import (
    Lake,
    LakeLocation,
    LakeUnreachable,
    PostgresCatalogue,
    clean_up,
    compact,
    expire,
    open_reader,
)
from lakehouse.lease import server_connection
from lakehouse.tls import speaks_tls13
from tests.lib.lakes import commit, committed, local_lake, opened, read
from tests.lib.older_tls import older_tls
from tests.lib.servers.certificates import Certificates
from tests.lib.servers.postgres import PostgresServer
from tests.lib.servers.s3 import S3Server

Opening = Callable[[LakeLocation], object]


def open_both_ways(location: LakeLocation) -> list[str]:
    """Open the lake as its writer and as a reader; return what each was refused for."""
    ways: tuple[Opening, ...] = (
        lambda place: Lake.open(place, purpose="test").close(),
        lambda p: open_reader(p).close(),
    )
    refused = []
    for way in ways:
        with pytest.raises(LakeUnreachable) as raised:
            way(location)
        refused.append(str(raised.value))
        assert "test-password" not in refused[-1]
    return refused


@pytest.fixture
def catalogue(postgres_tls: PostgresServer, request: pytest.FixtureRequest) -> PostgresCatalogue:
    return postgres_tls.create_database(f"tls_{abs(hash(request.node.name))}")


@pytest.fixture
def on_server(catalogue: PostgresCatalogue, tmp_path: Path) -> LakeLocation:
    """Return a lake whose catalogue is reached over TLS."""
    location = LakeLocation(catalogue=catalogue, data=tmp_path / "data", published=tmp_path / "published")
    with opened(location) as lake:
        commit(lake, "a", 0)
    return location


def test_a_catalogue_over_tls_is_written_and_read(on_server: LakeLocation, catalogue: PostgresCatalogue) -> None:
    assert read(on_server) == {"a": 1, "all": 1}
    assert catalogue.sslmode == PostgresCatalogue(host="h", database="d", user="u").sslmode == "verify-full"
    with server_connection(catalogue, purpose="test") as con:
        versions = con.execute("SELECT version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl").fetchall()
    assert set(versions) == {("TLSv1.3",)}


def test_a_server_of_an_older_tls_is_refused(
    on_server: LakeLocation, postgres_tls: PostgresServer, certificates: Certificates
) -> None:
    with postgres_tls.speaking(certificates.server, newest="TLSv1.2"):
        assert all("protocol version" in refused for refused in open_both_ways(on_server))
    assert read(on_server) == {"a": 1, "all": 1}


@pytest.mark.parametrize(("shown", "words"), [("elsewhere", "does not match host name"), ("expired", "verify failed")])
def test_a_certificate_that_does_not_hold_is_refused(
    on_server: LakeLocation, postgres_tls: PostgresServer, certificates: Certificates, shown: str, words: str
) -> None:
    with postgres_tls.speaking(getattr(certificates, shown)):
        assert all(words in refused for refused in open_both_ways(on_server))


def test_an_unknown_authority_is_refused(
    on_server: LakeLocation, catalogue: PostgresCatalogue, certificates: Certificates
) -> None:
    stranger = replace(on_server, catalogue=replace(catalogue, sslrootcert=certificates.other_ca))
    of_this_machine = replace(on_server, catalogue=replace(catalogue, sslrootcert=None))
    for location in (stranger, of_this_machine):
        assert all("verify failed" in refused for refused in open_both_ways(location))


def test_a_server_without_tls_gets_no_password(postgres: PostgresServer, tmp_path: Path) -> None:
    catalogue = replace(postgres.create_database("without_tls"), sslmode="verify-full")
    location = LakeLocation(catalogue=catalogue, data=tmp_path / "data", published=tmp_path / "published")
    assert all("does not support SSL" in refused for refused in open_both_ways(location))


def files(lake: Lake) -> int:
    """Count the files that are in the bucket."""
    row = lake.con.execute(f"SELECT count(*) FROM glob('{lake.location.data_path}**')").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def on_bucket(s3_tls: S3Server, tmp_path: Path, request: pytest.FixtureRequest) -> LakeLocation:
    """Return a lake whose data is reached over TLS."""
    data = f"{s3_tls.create_bucket(f'tls-{abs(hash(request.node.name))}')}/data"
    return replace(local_lake(tmp_path), data=data, s3=s3_tls.access)


def test_data_over_tls_of_a_private_authority_is_written_read_and_removed(on_bucket: LakeLocation) -> None:
    with opened(on_bucket) as lake:
        for number in range(4):
            commit(lake, "a", number)
        compact(lake)
        expire(lake, older_than=datetime.now(UTC))
        before = files(lake)
        # Lists and removes by connections of DuckLake's own, which have to know the authority too.
        removed = clean_up(lake, grace=timedelta())
        assert removed == before - files(lake) > 0
        assert committed(lake.cursor()) == {"a": 4, "all": 4}
    assert read(on_bucket) == {"a": 4, "all": 4}


def test_data_behind_an_unknown_certificate_is_refused(on_bucket: LakeLocation, certificates: Certificates) -> None:
    with opened(on_bucket) as lake:
        commit(lake, "a", 0)
    assert on_bucket.s3 is not None
    of_this_machine = replace(on_bucket, s3=replace(on_bucket.s3, ca_file=None))
    with opened(of_this_machine) as lake, pytest.raises(LakeUnreachable, match=r"(?i)ssl|certificate"):
        commit(lake, "a", 1)
    stranger = replace(on_bucket, s3=replace(on_bucket.s3, ca_file=certificates.other_ca))
    with open_reader(stranger) as con, pytest.raises(duckdb.Error, match=r"(?i)ssl|certificate"):
        committed(con)
    assert read(on_bucket) == {"a": 1, "all": 1}


def test_a_server_is_asked_for_tls13(s3_tls: S3Server, certificates: Certificates) -> None:
    assert speaks_tls13("127.0.0.1", s3_tls.port, ca_file=certificates.ca)
    with older_tls(certificates.server) as port:
        assert not speaks_tls13("127.0.0.1", port, ca_file=certificates.ca)
    with pytest.raises(ssl.SSLCertVerificationError):
        speaks_tls13("127.0.0.1", s3_tls.port, ca_file=certificates.other_ca)
