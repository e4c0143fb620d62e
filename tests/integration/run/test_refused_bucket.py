"""Dead letters of refused runs beside data in a bucket, on a real S3 server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from dataflow.settings import Settings
from dataflow.settings.model import LakeSettings
from dataflow.workspace.refused import (
    KEPT_DAYS,
    _write,
    forget_refused,
    list_refused,
    read_refused,
    refused_name,
    refused_place,
)
from tests.lib.servers.s3 import S3Server

RUNS = ("20260101T000000000000Z-daily", "20260102T000000000000Z-publish")


@pytest.fixture
def settings(s3: S3Server, tmp_path: Path) -> Settings:
    bucket = s3.create_bucket(f"refused-{tmp_path.name[-20:].strip('_').replace('_', '-').lower()}")
    lake = LakeSettings(catalogue="postgresql://user@localhost/lake", data=f"{bucket}/lake/", s3=s3.settings)
    return Settings(home=tmp_path, lake=lake)


def _keep(settings: Settings, run_id: str, rows: str) -> None:
    with duckdb.connect() as con:
        workspace: Any = SimpleNamespace(con=con)
        _write(workspace, rows, refused_place(settings), refused_name(run_id))


def test_files_are_listed_read_and_removed_after_their_time(settings: Settings) -> None:
    assert str(refused_place(settings)).endswith("/lake.refused")
    assert list_refused(settings) == []
    for number, run_id in enumerate(RUNS):
        _keep(settings, run_id, f"SELECT {number} AS n")
    assert list_refused(settings) == sorted(RUNS, reverse=True)
    assert read_refused(settings, RUNS[1]).to_pylist() == [{"n": 1}]
    forget_refused(settings, now=datetime(2026, 1, 2, tzinfo=UTC) + timedelta(days=KEPT_DAYS))
    assert list_refused(settings) == [RUNS[1]]
    assert not (settings.home / "refused").exists()


def test_data_that_are_a_whole_bucket_have_no_place_beside_them(settings: Settings) -> None:
    whole = settings.model_copy(update={"lake": settings.lake.model_copy(update={"data": "s3://bucket"})})
    assert refused_place(whole) == settings.home / "refused"
