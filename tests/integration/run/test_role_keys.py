"""A lake in a bucket that is reached by the role of the machine: its keys expire again and again during a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflow.access.lake import open_lake
from dataflow.access.pipeline import open_published
from dataflow.cli.main import run
from dataflow.connect import aws
from dataflow.errors import ConfigurationError
from dataflow.run import progress
from dataflow.settings import Settings, default_toml, load_settings
from lakehouse import LakeUnreachable
from tests.lib.homes import make_sample
from tests.lib.role_keys import RoleServer
from tests.lib.servers.s3 import S3Server


@pytest.fixture
def role(s3: S3Server) -> Iterator[RoleServer]:
    with RoleServer(s3).running() as server:
        yield server


@pytest.fixture
def settings(role: RoleServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in role.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    aws._credentials.cache_clear()
    bucket = role.s3.create_bucket(f"role-{role.endpoint.rpartition(':')[2]}")
    access = f'[lake.s3]\nendpoint = "{role.endpoint}"\nurl_style = "path"\nuse_tls = false\n'
    (tmp_path / "dataflow.toml").write_text(_in_bucket(default_toml(), bucket) + access)
    return load_settings()


def test_keys_that_end_at_each_stage_stop_no_run(
    role: RoleServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys end between any two stages; each stage, the commit and each reader begin with valid ones."""
    make_sample(settings.home)
    stages = []

    def expire(event: progress.StageEvent | progress.WindowEvent) -> None:
        if isinstance(event, progress.StageEvent) and event.what == "began":
            stages.append(event.stage)
            role.expire()

    monkeypatch.setattr("dataflow.run.session.announce", expire)
    assert run(["--home", str(settings.home), "run", "--source", "tickets"]) == 0
    assert {"land", "publish", "commit"} <= set(stages)
    assert role.issued > len(stages)
    assert role.refused == 0
    with open_published(settings) as con:
        [(customers,)] = con.execute("SELECT count(*) FROM published.customer_360").fetchall()
    assert customers > 10


def test_an_expired_key_is_renewed_by_the_next_transaction(role: RoleServer, settings: Settings) -> None:
    with open_lake(settings, purpose="test") as lake:
        lake.transact(_write, author="test", run_id="1", message="first")
        role.expire()
        with pytest.raises(Exception, match="400"):
            lake.con.execute("SELECT * FROM lake.main.note").fetchall()
        lake.transact(_write, author="test", run_id="2", message="second")
        assert lake.con.execute("SELECT count(*) FROM lake.main.note").fetchall() == [(2,)]


def test_without_a_role_the_reason_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    aws._credentials.cache_clear()
    with pytest.raises(ConfigurationError, match="This machine has no key of AWS"), open_lake(settings, purpose="test"):
        pass


def test_a_role_that_gives_no_keys_now_is_unreachable(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    address = settings.lake.s3.endpoint if settings.lake.s3 else ""
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://{address}/nothing")
    aws._credentials.cache_clear()
    with pytest.raises(LakeUnreachable, match="could not be renewed"), open_lake(settings, purpose="test"):
        pass


def _write(con: object) -> None:
    con.execute("CREATE TABLE IF NOT EXISTS lake.main.note (n INTEGER)")  # type: ignore[attr-defined]
    con.execute("INSERT INTO lake.main.note VALUES (1)")  # type: ignore[attr-defined]


def _in_bucket(toml: str, bucket: str) -> str:
    return toml.replace("[lake]\n", f'[lake]\ndata = "{bucket}/data"\n', 1)
