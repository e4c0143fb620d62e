"""An empty Prefect database, made once per installation and copied into each new home.

Prefect makes one by running every migration it ever had, 6 s in each new home (November 2026). Run as a module this
makes the copy's original; without one, Prefect does it itself when its API first starts.
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
    """Where this installation keeps it; another release of Prefect has another."""
    return Path(sys.prefix) / "share" / "dataflow" / f"prefect-{version('prefect')}.db"


def lay_down(prefect_home: Path) -> None:
    """Copy it into a Prefect home that has no database, unless the user named one; without an original, make a file."""
    database = prefect_home / "prefect.db"
    if database.exists() or prefect_database_url() is not None:
        return
    if not original().exists():
        # SQLite would make one that the group of a shared lake cannot write.
        database.touch()
        return
    copy = database.with_name(f"new-{os.getpid()}.db")
    shutil.copyfile(original(), copy)
    # Never over one that another process has meanwhile begun to use.
    with suppress(FileExistsError):
        os.link(copy, database)
    copy.unlink()


def make_original() -> None:
    """Have Prefect make an empty database, and keep it for this installation."""
    original().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=original().parent) as folder:
        with prefect_environment(Path(folder), api_url=None):
            asyncio.run(make_database())
        (Path(folder) / "prefect" / "prefect.db").replace(original())


if __name__ == "__main__":
    make_original()
