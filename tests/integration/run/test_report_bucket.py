"""Reports of runs in a bucket, on a real S3 server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dataflow.cli.main import run
from dataflow.settings import default_toml
from tests.lib.servers.s3 import S3Server


@pytest.fixture
def reports(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which the S3 server keeps the reports of the project in the working folder."""
    monkeypatch.chdir(tmp_path)
    bucket = s3.create_bucket(f"reports-{tmp_path.name[-20:].strip('_').replace('_', '-').lower()}")
    access = f'[lake.s3]\nendpoint = "{s3.endpoint}"\nkey_id = "{s3.key_id}"\nsecret = "{s3.secret}"\n'
    access += 'url_style = "path"\nuse_tls = false\n'
    (tmp_path / "dataflow.toml").write_text(f'reports = "{bucket}/of-runs"\n{default_toml()}\n{access}')
    return s3.folder / bucket.removeprefix("s3://") / "of-runs"


def test_a_report_is_put_whole_beside_the_newest(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "-o", "json"]) != 0, "a run without a sample fails, and has a report"
    said = capsys.readouterr()
    kept = sorted(path.name for path in reports.iterdir())
    assert len(kept) == 2, said.err
    assert kept[1] == "latest.html"
    assert f"s3://{reports.parent.name}/of-runs/{kept[0]}" in said.out + said.err
    assert (reports / kept[0]).read_bytes() == (reports / "latest.html").read_bytes()
    assert json.dumps("<html")[1:-1] in (reports / kept[0]).read_text(encoding="utf-8")
