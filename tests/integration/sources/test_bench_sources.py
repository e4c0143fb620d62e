"""The benchmark of sources reads the same rows in every way, each from real servers over TLS, and says what it cost."""

import json
from pathlib import Path

import pytest

from dataflow.bench.fresh import in_fresh_process, peak_rss_bytes
from dataflow.bench.reading import ReadFigures
from dataflow.cli.main import run
from dataflow.settings import default_toml
from tests.lib.bench import write_company
from tests.lib.servers.mariadb import MariaServer
from tests.lib.servers.s3 import S3Server
from tests.lib.servers.salesforce import Simulator

WAYS = {
    ("mysql", "dataflow"): 400,
    ("mysql", "dataflow, to raw"): 400,
    ("mysql", "connectorx arrow_stream"): 400,
    ("mysql", "PyMySQL SSCursor"): 400,
    ("salesforce", "dataflow, REST"): 40,
    ("salesforce", "dataflow, Bulk API 2.0"): 40,
    ("tickets", "dataflow"): 400,
    ("tickets", "dataflow, the same files in a folder"): 400,
}


def test_every_way_reads_the_same_rows(
    mariadb: MariaServer,
    salesforce: Simulator,
    s3_tls: S3Server,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = write_company(tmp_path, mariadb, salesforce, s3_tls, rows=400)
    assert run(["--config", str(config), "bench", "sources", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["figures"]
    read = {(each["source"], each["way"]): each["rows"] for each in found}
    # dlt is measured where it is installed, which no other command needs.
    assert read.pop(("mysql", "dlt, to Parquet"), 400) == 400
    assert read == WAYS
    files = [each["bytes"] for each in found if each["source"] == "tickets"]
    assert files == [sum(file.stat().st_size for file in (s3_tls.folder / "bench").rglob("*.csv"))] * 2
    for each in found:
        assert each["cpu_seconds"] > 0
        assert each["peak_rss_bytes"] > 10 * 2**20
    # Each API was spoken, once.
    assert sum(call.endswith("/jobs/query") for call in salesforce.calls) == 1
    assert sum("/queryAll" in call for call in salesforce.calls) >= 1


def test_files_of_a_folder_are_landed_and_copied_by_duckdb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("id,at\n" + "".join(f"{n},2026-01-01\n" for n in range(30)))
    declared = '[sources.desk]\nroot = "."\n[sources.desk.objects.a]\nformat = "csv"\npath = "a.csv"\nkey = "id"\n'
    config = tmp_path / "dataflow.toml"
    config.write_text(f'{declared}cursor = "at"\nfields = {{ id = "INTEGER", at = "TIMESTAMP" }}\n')
    assert run(["--config", str(config), "bench", "sources", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["figures"]
    assert {each["way"]: each["rows"] for each in found} == {
        "dataflow": 30,
        "dataflow, to raw": 30,
        "DuckDB, to Parquet": 30,
    }
    assert len({each["bytes"] for each in found}) == 1


def test_a_name_that_is_not_declared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "dataflow.toml"
    config.write_text(default_toml())
    assert run(["--config", str(config), "bench", "sources", "--object", "nothing"]) == 2
    assert "There is no such object; dataflow.toml declares mysql.addresses," in capsys.readouterr().err


def test_speeds_are_of_megabytes_and_rows() -> None:
    figures = ReadFigures(
        source="s", object="o", way="w", bytes=3_000_000, rows=600, seconds=1.5, cpu_seconds=1, peak_rss_bytes=1
    )
    assert figures.megabytes_per_second == pytest.approx(2)
    assert figures.rows_per_second == pytest.approx(400)


def test_a_fresh_process_does_not_inherit_a_peak() -> None:
    held = bytearray(200 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    assert peak_rss_bytes() > len(held)
    assert in_fresh_process(peak_rss_bytes) < len(held)
