"""What doctor says of a lake on servers is what a run and a reader then meet."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql
from pydantic import SecretStr

from dataflow.access.door import open_for
from dataflow.access.lake import lake_location
from dataflow.access.who import Purpose, Who
from dataflow.errors import ConfigurationError
from dataflow.govern.maintenance import maintain_lake
from dataflow.observe.doctor import probe_all
from dataflow.observe.lake_looks import connection_of, look_at_data, look_at_readers
from dataflow.run.session import open_run
from dataflow.settings import Settings
from dataflow.settings.model import LakeSettings
from lakehouse import LakeDamaged, LakeError, LakeUnreachable, LakeUnwritable, PostgresCatalogue
from tests.lib.lakes import commit, opened
from tests.lib.servers.certificates import Certificates
from tests.lib.servers.postgres import PostgresServer, connect
from tests.lib.servers.s3 import S3Server


@pytest.fixture(scope="module")
def settings(postgres_tls: PostgresServer, s3_tls: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a lake of one commit, catalogue and data behind TLS of a private authority."""
    home = tmp_path_factory.mktemp("home")
    lake = LakeSettings(
        catalogue=postgres_tls.address(postgres_tls.create_database("doctor")),
        data=f"{s3_tls.create_bucket('doctor')}/data",
        published=str(home / "published"),
        inbox=str(home / "inbox"),
        s3=s3_tls.settings,
        threads=1,
    )
    made = Settings(home=home, lake=lake)
    with opened(lake_location(made)) as open_lake:
        commit(open_lake, "a", 0)
    return made


def changed(settings: Settings, **lake: Any) -> Settings:
    return settings.model_copy(update={"lake": settings.lake.model_copy(update=lake)})


def other_s3(settings: Settings, **s3: Any) -> Settings:
    assert settings.lake.s3 is not None
    return changed(settings, s3=settings.lake.s3.model_copy(update=s3))


def with_reader(settings: Settings, postgres: PostgresServer, name: str, *grants: str) -> Settings:
    """The same lake with a role for readers that has further grants."""
    catalogue = lake_location(settings).catalogue
    assert isinstance(catalogue, PostgresCatalogue)
    reader = postgres.create_reader(name, catalogue)
    with connect(catalogue) as con:
        for grant in grants:
            con.execute(sql.SQL(grant).format(role=sql.Identifier(name)))  # type: ignore[arg-type]  # of this module
    return changed(settings, catalogue_reader=SecretStr(postgres.address(reader)))


def test_a_lake_behind_a_private_authority_is_well(settings: Settings, postgres_tls: PostgresServer) -> None:
    well = with_reader(settings, postgres_tls, "well_reader")
    findings = {finding.name: finding for finding in probe_all(well) if "lake" in finding.name}
    assert [name for name, finding in findings.items() if not finding.is_well] == []
    assert "over TLS 1.3, and the certificate is trusted" in findings["lake"].found
    assert "over TLS 1.3, and the certificate is trusted" in findings["lake data"].found
    assert "as well_reader, who can only read" in findings["lake readers"].found
    with open_for(Who("tests"), Purpose.ANALYSIS, door="query", settings=well) as door:
        assert list(door.query("from published.tally").rows())


def test_the_probe_of_the_data_leaves_nothing_behind(settings: Settings, s3_tls: S3Server) -> None:
    before = sorted((s3_tls.folder / "doctor").rglob("*.parquet"))
    look_at_data(settings)
    assert sorted((s3_tls.folder / "doctor").rglob("*.parquet")) == before


def test_what_a_run_dies_of_is_not_well(settings: Settings, certificates: Certificates, tmp_path: Path) -> None:
    """An unknown authority, a server that is away, a bucket that is not there: doctor and run agree."""
    for number, wrong in enumerate(
        (other_s3(settings, ca_file=str(certificates.other_ca)), changed(settings, data="s3://no-such-bucket/data"))
    ):
        fresh = changed(wrong, catalogue=str(tmp_path / f"{number}.ducklake"))
        [finding] = [finding for finding in probe_all(fresh) if finding.name == "lake data"]
        assert not finding.is_well
        assert "Writing to the lake's data" in finding.found
        with pytest.raises(LakeUnreachable), opened(lake_location(fresh)) as lake:
            commit(lake, "a", 0)


def test_a_key_that_may_not_delete_is_named(s3: S3Server, tmp_path: Path) -> None:
    bucket = s3.create_bucket("no-delete")
    s3.create_reader("no-deleter", "no-deleter-secret")
    allow = {"Effect": "Allow", "Principal": {"AWS": ["no-deleter"]}}
    statements = [
        {**allow, "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::no-delete"]},
        {**allow, "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::no-delete/*"]},
    ]
    policy = {"Version": "2012-10-17", "Statement": statements}
    s3.client().put_bucket_policy(Bucket="no-delete", Policy=json.dumps(policy))
    key = {"key_id": SecretStr("no-deleter"), "secret": SecretStr("no-deleter-secret")}
    lake = LakeSettings(catalogue=str(tmp_path / "x"), data=f"{bucket}/data", s3=s3.settings.model_copy(update=key))
    with pytest.raises(LakeUnwritable, match="was not removed"):
        look_at_data(Settings(home=tmp_path, lake=lake))


@pytest.mark.parametrize(
    ("name", "grant", "words"),
    [
        (
            "owner_of_tables",
            "GRANT INSERT ON lake_meta.ducklake_snapshot TO {role}",
            "may write the catalogue's tables",
        ),
        ("maker_of_tables", "GRANT CREATE ON SCHEMA lake_meta TO {role}", "may create tables"),
        ("maker_of_schemas", "GRANT CREATE ON DATABASE doctor TO {role}", "may create schemas"),
        ("reader_of_files", "GRANT pg_read_server_files TO {role}", "may reach the files of the server"),
        ("superuser", "ALTER ROLE {role} SUPERUSER", "is a superuser"),
    ],
)
def test_a_role_of_readers_that_can_do_more_is_named(
    settings: Settings, postgres_tls: PostgresServer, name: str, grant: str, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words) as found:
        look_at_readers(with_reader(settings, postgres_tls, name, grant))
    assert f"as {name}, who" in str(found.value)
    assert "reader-password" not in str(found.value)


def test_readers_who_are_the_writer_are_named(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="who writes the lake"):
        look_at_readers(settings)


def test_what_is_unencrypted_says_so(postgres: PostgresServer, s3: S3Server, tmp_path: Path) -> None:
    lake = LakeSettings(
        catalogue=postgres.address(postgres.create_database("plain")),
        data=f"{s3.create_bucket('plain')}/data",
        published=str(tmp_path),
        s3=s3.settings,
    )
    plain = Settings(home=tmp_path, lake=lake)
    assert "unencrypted, which stays on this machine" in connection_of(lake_location(plain))
    assert "unencrypted, which stays on this machine" in look_at_data(plain)
    with pytest.raises(LakeError):
        look_at_data(other_s3(plain, endpoint="127.0.0.2:1"))


def test_a_lake_in_files_has_nothing_to_connect_to(tmp_path: Path) -> None:
    lake = LakeSettings(catalogue=str(tmp_path / "x"), data=str(tmp_path / "data"), published=str(tmp_path))
    files = Settings(home=tmp_path, lake=lake)
    assert look_at_data(files).startswith("not created yet")
    assert "a copy" in look_at_readers(files)
    assert connection_of(lake_location(files)) == ""


def test_a_lost_object_and_a_lost_catalogue_are_named_by_doctor_runs_and_maintenance(
    settings: Settings, postgres_tls: PostgresServer, s3_tls: S3Server, tmp_path: Path
) -> None:
    own = changed(
        settings,
        catalogue=postgres_tls.address(postgres_tls.create_database("damaged")),
        data=f"{s3_tls.create_bucket('damaged')}/data",
    ).model_copy(update={"home": tmp_path, "runs": str(tmp_path / "runs")})
    place = lake_location(own)
    assert isinstance(place.catalogue, PostgresCatalogue)
    with opened(place) as lake:
        for number in range(2):
            commit(lake, "a", number)

    lost, *_ = (s3_tls.folder / "damaged").rglob("raw/event/*.parquet")
    lost.unlink()
    unwell = unwell_parts(own)
    assert lost.name in unwell["lake files"]
    assert "`dataflow restore --lost-files`" in unwell["lake files"]
    with pytest.raises(LakeDamaged, match=lost.name):
        maintain_lake(own, older_than=datetime.now(UTC))

    with connect(place.catalogue) as con:
        con.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(place.catalogue.schema)))
    unwell = unwell_parts(own)
    for part in ("lake", "published lake"):
        assert "has no catalogue, and there are data files in" in unwell[part]
        assert "Put the catalogue back from the server's backup" in unwell[part]
    with pytest.raises(LakeDamaged, match="the server's backup"):
        maintain_lake(own, older_than=datetime.now(UTC))
    with pytest.raises(LakeDamaged, match="the server's backup"), open_run(own, "daily"):
        pass


def unwell_parts(settings: Settings) -> dict[str, str]:
    """What doctor finds and advises on the parts of the lake that are not well."""
    found = {
        one.name: f"{one.found} {one.fix}" for one in probe_all(settings) if "lake" in one.name and not one.is_well
    }
    assert not any("defect" in each for each in found.values()), found
    return found
