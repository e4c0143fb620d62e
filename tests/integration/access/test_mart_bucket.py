"""Role marts in a bucket, on a real S3 server: written on one machine, read on another."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from dataflow.access.marts import mart_path, open_mart, pull_mart
from dataflow.access.roles import find_role
from dataflow.errors import ConfigurationError, MartDiffers, SinkError
from dataflow.settings import Settings, load_settings
from dataflow.sinks.marts import Marts, read_file
from tests.lib.role_lakes import open_role_lake, with_marts
from tests.lib.servers.s3 import S3Server

ROLE = "marketing"
KEY = SecretStr("a-secret-that-all-machines-have-the-same")


def in_bucket(settings: Settings, bucket: str, s3: S3Server, home: Path) -> Settings:
    """The same settings on a machine with this home, with the marts in a bucket."""
    access = settings.access.model_copy(update={"folder": f"{bucket}/marts", "key": KEY})
    lake = settings.lake.model_copy(update={"s3": s3.settings})
    return with_marts(settings.model_copy(update={"access": access, "lake": lake, "home": home}), [ROLE])


def customers(settings: Settings, scratch: Path) -> int:
    con = open_mart(find_role(ROLE, settings), settings=settings, temp_directory=scratch)
    [(count,)] = con.execute("SELECT count(*) FROM published.customer_360").fetchall()
    con.close()
    return int(count)


def test_a_mart_of_one_machine_is_read_on_another_and_goes_on_on_a_third(s3: S3Server, tmp_path: Path) -> None:
    made = open_role_lake(tmp_path / "first", roles=())
    bucket = s3.create_bucket("marts")
    first, reader, second = (in_bucket(made.settings, bucket, s3, tmp_path / name) for name in ("first", "reader", "2"))
    with made.lake:
        with pytest.raises(MartDiffers, match="has not been written yet"):
            customers(reader, tmp_path)
        Marts(first).follow(made.days[0])
        before = customers(reader, tmp_path)
        copy = mart_path(reader, ROLE)
        assert (copy.parent, copy.stat().st_mode & 0o777) == (tmp_path / "reader" / "marts", 0o600)
        inode = copy.stat().st_ino
        assert pull_mart(reader, ROLE).stat().st_ino == inode, "it is not fetched again"

        made.world.customer("late", entity_type="person")
        report = Marts(second).follow(made.publish())
        assert report.facts["was_at"] == made.days[0].number
        assert report.facts["rows_by_role"][ROLE] < before, "by increments, not whole"
        assert customers(reader, tmp_path) == before + 1
        facts = read_file(mart_path(reader, ROLE))
        assert facts is not None
        assert facts.publication == made.days[1].number

        Marts(second).clear()
        assert read_file(pull_mart(reader, ROLE)) is None
        assert not copy.exists()
        assert not any((s3.folder / bucket.removeprefix("s3://")).rglob("*.duckdb"))


def test_a_bucket_that_cannot_be_used_is_named(s3: S3Server, tmp_path: Path) -> None:
    wrong = in_bucket(load_settings(home=tmp_path), "s3://no-such-bucket", s3, tmp_path)
    with pytest.raises(SinkError, match=r"access\.folder"):
        Marts(wrong).shows()
    without = wrong.model_copy(update={"lake": wrong.lake.model_copy(update={"s3": None})})
    with pytest.raises(ConfigurationError, match=r"access\.folder is s3://no-such-bucket/marts"):
        Marts(without).shows()


def test_machines_that_would_make_keys_of_their_own_are_refused(s3: S3Server, tmp_path: Path) -> None:
    shared = in_bucket(load_settings(home=tmp_path), "s3://marts", s3, tmp_path)
    keyless = shared.model_copy(update={"access": shared.access.model_copy(update={"key": None})})
    with pytest.raises(ConfigurationError, match="DATAFLOW_ACCESS__KEY"):
        pull_mart(keyless, ROLE)
