"""An empty database of Prefect, created once per installation and copied for each server of tests.

Prefect creates one by running all of its migrations, 6 s for each server (November 2026). Run as a module, this creates
the one to copy.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path


def original() -> Path:
    """Return the path of the database of this installation and release of Prefect."""
    return Path(sys.prefix) / "share" / "dataflow" / f"prefect-{version('prefect')}.db"


def lay_down(prefect_home: Path) -> None:
    """Copy the database into a new Prefect home; create it first where this is the first server."""
    original().parent.mkdir(parents=True, exist_ok=True)
    with original().with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not original().exists():
            with tempfile.TemporaryDirectory(dir=original().parent) as folder:
                # In a process of its own: Prefect reads its environment when it is imported.
                environment = os.environ | {"PREFECT_HOME": folder}
                subprocess.run([sys.executable, "-m", "tests.lib.prefect_database"], check=True, env=environment)
                (Path(folder) / "prefect.db").replace(original())
    shutil.copyfile(original(), prefect_home / "prefect.db")


async def make_database() -> None:
    """Create the database of the environment, with all of its tables."""
    from prefect.server.database import provide_database_interface

    database = provide_database_interface()
    await database.create_db()
    await (await database.engine()).dispose()


if __name__ == "__main__":
    asyncio.run(make_database())
