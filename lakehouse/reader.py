"""Read the lake while others write it: attach the published copy of the catalogue, or the server, read-only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from lakehouse.attach import attach, metadata_of
from lakehouse.connect import connect
from lakehouse.damage import damaged_copy
from lakehouse.errors import LakeUnreachable, SnapshotNotFound
from lakehouse.inventory import read_catalogue
from lakehouse.location import LakeLocation
from lakehouse.snapshot import History
from lakehouse.table import DATABASE
from lakehouse.translate import translating


def open_reader(
    location: LakeLocation,
    *,
    at: datetime | int | None = None,
    memory_limit: str | None = None,
    threads: int | None = None,
    temp_directory: Path | None = None,
) -> DuckDBPyConnection:
    """Open a connection with the lake attached read-only as `lake`, at one snapshot.

    Without `at` a local lake stays at the snapshot that was the newest at opening; a server shows each commit.
    Raises: LakeUnreachable when nothing is published yet, LakeDamaged, SnapshotNotFound.
    """
    con = connect(
        extensions=location.extensions,
        memory_limit=memory_limit,
        threads=threads,
        temp_directory=temp_directory,
    )
    try:
        with translating(f"Reading the lake at {location.catalogue}"), _naming_damaged_copy(location):
            _attach_for_reading(con, location, at)
    except BaseException:
        con.close()
        raise
    return con


@contextmanager
def _naming_damaged_copy(location: LakeLocation) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        if isinstance(location.catalogue, Path) and (fault := read_catalogue(location.published_catalogue).fault):
            raise damaged_copy(location, fault) from error
        raise


def _attach_for_reading(con: DuckDBPyConnection, location: LakeLocation, at: datetime | int | None) -> None:
    file = None
    if isinstance(location.catalogue, Path):
        file = location.published_catalogue
        if not file.exists():
            if location.catalogue.exists():
                raise damaged_copy(location, "it is not there")
            raise LakeUnreachable(
                f"Reading the lake at {location.catalogue}: nothing is published in {location.published} yet; "
                "finish a first run, then read again"
            )
    attach(con, location, file=file, read_only=True)
    if at is None:
        return
    try:
        # By number: SNAPSHOT_TIME in ATTACH has no error for a time before the lake.
        chosen = History(con, database=DATABASE, metadata=metadata_of(location)).at(at)
    except SnapshotNotFound:
        con.close()
        raise
    con.execute(f"DETACH {DATABASE}")
    attach(con, location, file=file, read_only=True, at=chosen.id)
