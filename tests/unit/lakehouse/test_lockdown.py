"""A locked connection refuses by itself, whatever statement reaches it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from lakehouse import lock_down, open_reader
from tests.lib.lakes import commit, committed, local_lake, opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a lake of one commit and a file beside it."""
    folder = tmp_path_factory.mktemp("lockdown")
    (folder / "beside.csv").write_text("a\n1\n")
    with opened(local_lake(folder / "lake")) as lake:
        commit(lake, "a", 0)
    return folder


@pytest.fixture(scope="module")
def con(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    location = local_lake(folder / "lake")
    with open_reader(location, threads=1, temp_directory=folder / "spill", memory_limit="40MB") as con:
        lock_down(con, location)
        yield con


def test_the_lake_is_read_as_before_and_spills(con: duckdb.DuckDBPyConnection) -> None:
    assert committed(con) == {"a": 1, "all": 1}
    large = "SELECT md5(range::VARCHAR) AS x, md5(x) AS y FROM range(400000) ORDER BY x"
    con.execute(f"CREATE OR REPLACE TEMP TABLE sorted AS {large}")
    assert con.execute("SELECT sum(size) > 0 FROM duckdb_temporary_files()").fetchall() == [(True,)]
    con.execute("DROP TABLE sorted")


def test_our_own_rows_can_be_joined(con: duckdb.DuckDBPyConnection) -> None:
    con.register("asked", pa.table({"worker": ["a"]}))
    assert con.execute("SELECT commits FROM lake.published.tally SEMI JOIN asked USING (worker)").fetchall() == [(1,)]
    con.unregister("asked")


@pytest.mark.parametrize(
    "statement",
    [
        "FROM read_text('/etc/passwd')",
        "FROM '{folder}/beside.csv'",
        "FROM glob('{folder}/*')",
        "COPY (SELECT 1) TO '{folder}/x.csv'",
        "COPY (SELECT 1) TO '{folder}/lake/lake.ducklake'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/lake/lake.ducklake'",
        "ATTACH '{folder}/x.duckdb'",
        "ATTACH '{folder}/lake/lake.ducklake' AS x",
        "EXPORT DATABASE '{folder}/all'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '100GB'",
        "SET allowed_directories = ['/']",
        "RESET enable_external_access",
        "CREATE PERSISTENT SECRET s (TYPE http)",
        "INSERT INTO lake.published.tally VALUES ('x', 1)",
        "DELETE FROM lake.published.tally",
        "CREATE TABLE lake.published.x AS SELECT 1",
        "DELETE FROM __ducklake_metadata_lake.ducklake_snapshot",
        "CALL ducklake_expire_snapshots('lake', versions => [1])",
        "CALL lake.set_option('data_inlining_row_limit', 10)",
        "FROM a_variable_of_this_test",
    ],
)
def test_what_leaves_the_lake_or_changes_it_fails(con: duckdb.DuckDBPyConnection, folder: Path, statement: str) -> None:
    a_variable_of_this_test = pa.table({"x": [1]})
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(duckdb.Error):
        con.execute(statement.format(folder=folder)).fetchall()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert a_variable_of_this_test.num_rows == 1


def test_secrets_of_the_users_home_are_not_there(con: duckdb.DuckDBPyConnection) -> None:
    assert con.execute("SELECT current_setting('allow_persistent_secrets')").fetchall() == [(False,)]
    assert con.execute("FROM duckdb_secrets()").fetchall() == []
