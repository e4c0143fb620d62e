"""DuckDB opens offline, in UTC, within its limits."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from lakehouse import LakeIncompatible
from lakehouse.connect import connect, extension_path
from tests.lib.signatures import connect_and_check


def test_sessions_and_their_cursors_are_in_utc() -> None:
    con = connect()
    for session in (con, con.cursor()):
        assert session.execute("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)


def test_limits_are_set(tmp_path: Path) -> None:
    con = connect(memory_limit="512MiB", threads=1, temp_directory=tmp_path)
    names = ("memory_limit", "threads", "temp_directory")
    settings = [con.execute(f"SELECT current_setting('{name}')").fetchone() for name in names]
    assert settings == [("512.0 MiB",), (1,), (str(tmp_path),)]


def test_nothing_is_fetched_from_the_network() -> None:
    con = connect()
    with pytest.raises(duckdb.Error, match="httpfs"):
        con.execute("FROM read_csv('https://example.org/a.csv')")


def test_a_missing_extension_names_its_package() -> None:
    with pytest.raises(LakeIncompatible, match=r"pip install duckdb-extension-no-such-thing=="):
        extension_path("no_such_thing")


def test_an_extension_that_was_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duckdb, "connect", connect_and_check)
    content = bytearray(extension_path("ducklake").read_bytes())
    content[len(content) // 2] ^= 1
    changed = tmp_path / "ducklake.duckdb_extension"
    changed.write_bytes(content)
    connect(extensions=["ducklake"]).close()
    monkeypatch.setattr("lakehouse.connect.extension_path", lambda _: changed)
    with pytest.raises(duckdb.Error, match="signature"):
        connect(extensions=["ducklake"])
