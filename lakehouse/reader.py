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
from lakehouse.damage import damaged_copy, refuse_data_without_catalogue
from lakehouse.errors import LakeUnreachable, SnapshotNotFound
from lakehouse.inventory import read_catalogue
from lakehouse.location import LakeLocation
from lakehouse.snapshot import History
from lakehouse.table import DATABASE
from lakehouse.translate import translating

_NO_LAKE = "creating a new DuckLake is explicitly disabled"
"""DuckLake 1.0's error for a server without a catalogue."""


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
            refuse_data_without_catalogue(con, location)
            raise _nothing_published(location, str(location.published))
    try:
        attach(con, location, file=file, read_only=True)
    except duckdb.InvalidInputException as error:
        if isinstance(location.catalogue, Path) or _NO_LAKE not in str(error):
            raise
        refuse_data_without_catalogue(con, location)
        raise _nothing_published(location, str(location.catalogue)) from error
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


def _nothing_published(location: LakeLocation, place: str) -> LakeUnreachable:
    return LakeUnreachable(
        f"Reading the lake at {location.catalogue}: nothing is published in {place} yet; "
        "finish a first run, then read again"
    )
