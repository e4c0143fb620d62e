"""The benchmark of buckets reads the same rows from both places, and measures what it says."""

from pathlib import Path

import pytest

from dataflow.bench.s3 import EXPORT, ReadFigures, measure_s3, upload_exports, write_exports
from dataflow.settings import SourceSettings
from tests.lib.servers.s3 import S3Server


def test_a_bucket_beside_a_folder(s3_tls: S3Server, tmp_path: Path) -> None:
    root = f"{s3_tls.create_bucket('bench')}/exports"
    remote = SourceSettings(adapter="s3", root=root, s3=s3_tls.settings, objects={"ticket": EXPORT})
    write_exports(tmp_path / "written", files=3, rows=500)
    upload_exports(tmp_path / "written", remote)
    bucket, folder = measure_s3(remote, "ticket", folder=tmp_path / "copied")
    assert (bucket.place, folder.place) == ("s3", "files")
    written = sum(file.stat().st_size for file in (tmp_path / "written").rglob("*.csv"))
    for figures in (bucket, folder):
        assert (figures.rows, figures.bytes) == (1500, written)
        assert figures.peak_rss_bytes > 10 * 2**20
        assert figures.cpu_seconds > 0


def test_speeds_are_of_megabytes_and_rows() -> None:
    figures = ReadFigures(place="s3", bytes=3_000_000, rows=600, seconds=1.5, cpu_seconds=1, peak_rss_bytes=1)
    assert figures.megabytes_per_second == pytest.approx(2)
    assert figures.rows_per_second == pytest.approx(400)
