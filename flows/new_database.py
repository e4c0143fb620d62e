"""Create an empty Prefect database once per installation, and copy it into each new home.

Prefect creates one by running all of its migrations, 6 s in each new home (November 2026). Run as a module, this
creates the template; without it, Prefect creates the database when its API first starts.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from dataflow.settings.environment import prefect_database_url, prefect_environment
from flows.prefect_server import make_database


def original() -> Path:
    """Return the path of the template of this installation and release of Prefect."""
    return Path(sys.prefix) / "share" / "dataflow" / f"prefect-{version('prefect')}.db"


def lay_down(prefect_home: Path) -> None:
    """Copy the template into a Prefect home without a database, unless the user set one; create a file without it."""
    database = prefect_home / "prefect.db"
    if database.exists() or prefect_database_url() is not None:
        return
    if not original().exists():
        # SQLite would create one that the group of a shared lake cannot write.
        database.touch()
        return
    copy = database.with_name(f"new-{os.getpid()}.db")
    shutil.copyfile(original(), copy)
    # Never over one that another process already uses.
    with suppress(FileExistsError):
        os.link(copy, database)
    copy.unlink()


def make_original() -> None:
    """Have Prefect create an empty database, and keep it as the template."""
    original().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=original().parent) as folder:
        with prefect_environment(Path(folder), api_url=None):
            asyncio.run(make_database())
        (Path(folder) / "prefect" / "prefect.db").replace(original())


if __name__ == "__main__":
    make_original()
