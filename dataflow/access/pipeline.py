"""The pipeline's own reader of the published lake, for plans, probes and measurements, on an unlocked connection.

Modules that serve a person do not import it (a contract in pyproject.toml): persons read through the door.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import duckdb

from dataflow.access.inbox import leave_out_taken, read_inbox
from dataflow.access.lake import reading_location
from dataflow.settings import Settings
from lakehouse import InboxContents, open_reader
from lakehouse.damage import naming_damage
from lakehouse.table import DATABASE


def open_published(
    settings: Settings, *, at: datetime | int | None = None, temp_directory: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """Open the last published state (or an older one) for reading, with the lake as default database.

    Raises: LakeUnreachable when nothing was published yet, SnapshotNotFound.
    """
    con = open_reader(
        reading_location(settings),
        at=at,
        memory_limit=settings.lake.memory_limit,
        threads=settings.lake.threads or None,
        temp_directory=temp_directory,
    )
    con.execute(f"USE {DATABASE}")
    return con


@contextmanager
def open_with_inbox(
    settings: Settings, *, temp_directory: Path | None = None
) -> Iterator[tuple[duckdb.DuckDBPyConnection, InboxContents]]:
    """Open the last published state for reading, with the messages that it has not taken.

    Raises: as `open_published`.
    """
    location = reading_location(settings)
    contents = read_inbox(location)
    with (
        closing(open_published(settings, temp_directory=temp_directory)) as con,
        naming_damage(con, location, is_reader=True),
    ):
        yield con, leave_out_taken(con, contents)
