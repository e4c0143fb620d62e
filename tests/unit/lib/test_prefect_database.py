"""A copied database of Prefect is the one that this release would migrate to."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.lib.prefect_database import lay_down


def revision(database: Path) -> list[tuple[str]]:
    with closing(sqlite3.connect(database)) as con:
        return con.execute("SELECT version_num FROM alembic_version").fetchall()


def test_the_copy_is_what_this_prefect_would_migrate_to(tmp_path: Path) -> None:
    lay_down(tmp_path)
    before = revision(tmp_path / "prefect.db")
    subprocess.run(
        [sys.executable, "-m", "tests.lib.prefect_database"],
        env=os.environ | {"PREFECT_HOME": str(tmp_path)},
        check=True,
    )
    assert len(before) == 1
    assert revision(tmp_path / "prefect.db") == before
