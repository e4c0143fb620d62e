"""Addresses of catalogues: what they mean, and which are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from dataflow.access.catalogue import is_this_machine, read_catalogue
from dataflow.access.lake import lake_location, reading_location
from dataflow.errors import ConfigurationError
from dataflow.settings import Settings
from dataflow.settings.model import LakeSettings, S3Settings
from lakehouse import PostgresCatalogue


def read(declared: str) -> PostgresCatalogue:
    found = read_catalogue(declared, setting="lake.catalogue")
    assert isinstance(found, PostgresCatalogue)
    return found


def test_a_path_is_a_file() -> None:
    assert read_catalogue("/data/lake.ducklake", setting="lake.catalogue") == Path("/data/lake.ducklake")


def test_a_server_is_checked_unless_something_else_is_said(tmp_path: Path) -> None:
    root = tmp_path / "ca.pem"
    root.write_text("")
    found = read(f"postgresql://a%40b:p%2Fw@db.example.com/sales%20lake?schema=meta&sslrootcert={root}")
    assert found == PostgresCatalogue(
        host="db.example.com", database="sales lake", user="a@b", password="p/w", schema="meta", sslrootcert=root
    )
    options = found.connection_options
    assert (options["sslmode"], options["ssl_min_protocol_version"]) == ("verify-full", "TLSv1.3")
    assert options["sslrootcert"] == str(root)
    # libpq would look for a file in the user's home where none is named.
    assert read("postgresql://u:p@db.example.com/d").connection_options["sslrootcert"]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_a_server_on_this_machine_may_do_without_tls(host: str) -> None:
    found = read(f"postgresql://u:p@{host}:6000/d?sslmode=disable")
    assert (found.port, found.is_encrypted) == (6000, False)


def test_a_socket_is_named_by_its_folder() -> None:
    found = read("postgresql://u@/d?host=/var/run/postgresql")
    assert (found.host, found.is_encrypted) == ("/var/run/postgresql", False)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        *((f"postgresql://u:s3cret@db.example.com/d?sslmode={mode}", mode) for mode in ("disable", "allow", "prefer")),
        ("postgresql://u:s3cret@db.example.com/d?sslmode=require", "sends the password"),
        ("postgresql://u:s3cret@db.example.com/d?sslmode=verify-ca", "verify-ca"),
        ("postgresql://u:s3cret@127.0.0.1/d?sslmode=prefer", "prefer"),
        ("postgresql://u:s3cret@127.0.0.1/d?sslmode=", "sslmode="),
        ("postgresql://u:s3cret@127.0.0.1.example.com/d?sslmode=disable", "disable"),
        ("postgresql://u:s3cret@db.example.com/d?host=127.0.0.1.example.com&sslmode=disable", "disable"),
        ("postgresql://u:s3cret@db.example.com/d?sslrotcert=/x", "sslrotcert"),
        ("postgresql://u:s3cret@db.example.com/d?sslrootcert=/no/such/ca.pem", "/no/such/ca.pem"),
        ("postgresql://u:s3cret@db.example.com", "form"),
        ("postgresql://db.example.com/d", "form"),
        ("postgresql://u:s3cret@/d", "not name a host"),
        ("postgresql://u:s3cret@h:port/d", "port"),
        ("mysql://u:s3cret@h/d", "mysql"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_its_password(address: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(address)
    assert words in str(refused.value)
    assert "lake.catalogue" in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_this_machine_is_known_by_its_addresses() -> None:
    assert all(map(is_this_machine, ("localhost", "127.0.0.1", "127.1.2.3", "::1", "/var/run/postgresql")))
    assert not any(map(is_this_machine, ("db.example.com", "10.0.0.1", "0.0.0.0", "", "localhost.example.com")))


def settings(reader: str | None, catalogue: str = "postgresql://writer:w@db.example.com/d") -> Settings:
    secret = None if reader is None else SecretStr(reader)
    lake = LakeSettings(catalogue=catalogue, data="/data", published="/published", catalogue_reader=secret)
    return Settings(home=Path("/home"), lake=lake)


def test_readers_connect_by_their_own_role() -> None:
    own = settings("postgresql://reader:r@replica.example.com/d")
    written, found = lake_location(own).catalogue, reading_location(own).catalogue
    assert isinstance(written, PostgresCatalogue)
    assert isinstance(found, PostgresCatalogue)
    assert (written.user, found.user, found.host) == ("writer", "reader", "replica.example.com")
    assert reading_location(settings(None)) == lake_location(settings(None))


@pytest.mark.parametrize(
    ("reader", "catalogue"),
    [
        ("postgresql://reader:s3cret@db.example.com/other", "postgresql://writer:w@db.example.com/d"),
        ("postgresql://reader:s3cret@db.example.com/d?schema=x", "postgresql://writer:w@db.example.com/d"),
        ("postgresql://reader:s3cret@db.example.com/d", "/data/lake.ducklake"),
        ("/data/lake.ducklake", "/data/lake.ducklake"),
        ("postgresql://reader:s3cret@db.example.com/d?sslmode=prefer", "postgresql://writer:w@db.example.com/d"),
    ],
)
def test_readers_of_another_catalogue_are_refused(reader: str, catalogue: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        reading_location(settings(reader, catalogue))
    assert "lake.catalogue_reader" in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_a_file_of_authorities_that_is_not_there_is_named() -> None:
    lake = LakeSettings(catalogue="/x", data="s3://b/d", s3=S3Settings(ca_file="/no/such/ca.pem"))
    with pytest.raises(ConfigurationError, match="ca_file is /no/such"):
        lake_location(Settings(home=Path("/home"), lake=lake))
