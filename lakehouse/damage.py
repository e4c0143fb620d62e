"""Find what is lost or damaged of a lake, and report it in place of the error that it caused.

Without an error only `require_whole` runs, which reads the list of files alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from lakehouse.attach import allow_data
from lakehouse.errors import LakeDamaged, LakeError, LakeIncompatible, LakeLocked, LakeUnreachable, Part
from lakehouse.inventory import LostFile, lost_files, read_catalogue, read_through
from lakehouse.location import LakeLocation
from lakehouse.plural import agreeing, counted
from lakehouse.table import literal
from lakehouse.translate import first_line, is_corruption, is_damaged_file, is_of_the_caller

_SHOWN_FILES = 3
_HEADER_BYTES = 3 * 4096
_SMALLEST_BLOCK_BYTES = 16 * 1024


def require_whole(con: duckdb.DuckDBPyConnection, location: LakeLocation) -> None:
    """Refuse a lake in a folder that has lost files of its newest snapshot. Raises: LakeDamaged.

    A bucket is not listed: that is too expensive for a run, and a bucket keeps its objects.
    """
    if isinstance(location.data, Path) and (lost := lost_files(con, location)[0]):
        raise damaged_files(location, lost)


@contextmanager
def naming_damage(con: duckdb.DuckDBPyConnection, location: LakeLocation, *, is_reader: bool = False) -> Iterator[None]:
    """Raise LakeDamaged in place of an error in the block that damage of the attached lake explains."""
    try:
        yield
    except Exception as error:
        if (damaged := damage_behind(error, con, location, is_reader=is_reader)) is not None:
            raise damaged from error
        raise


@contextmanager
def naming_damaged_catalogue(location: LakeLocation) -> Iterator[None]:
    """Raise LakeDamaged in place of an error in the block, if a local catalogue is damaged.

    Must enclose everything that has the catalogue open: the check needs it closed.
    """
    try:
        yield
    except Exception as error:
        if (damaged := damage_behind_closed(error, location)) is not None:
            raise damaged from error
        raise


def damage_behind(
    error: BaseException, con: duckdb.DuckDBPyConnection, location: LakeLocation, *, is_reader: bool = False
) -> LakeDamaged | None:
    """Return the damage of an attached lake that can explain an error; the connection can be in a transaction."""
    if not _may_be_damage(error):
        return None
    try:
        with con.cursor() as look:
            if lost := lost_files(look, location)[0]:
                return damaged_files(location, lost)
            if lost := lost_files(look, location, only_newest=False)[0]:
                return damaged_files(location, lost)
            # Each file is read: only where the error is one of a file's content.
            if is_damaged_file(_texts(error)) and (lost := lost_files(look, location, read=True)[0]):
                return damaged_files(location, lost)
            read_through(look, location)
    except duckdb.Error as second:
        if isinstance(location.catalogue, Path) and is_corruption(str(second)):
            fault = first_line(second)
            return damaged_copy(location, fault) if is_reader else damaged_catalogue(location, fault)
    return None


def damage_behind_closed(error: BaseException, location: LakeLocation) -> LakeDamaged | None:
    """Return the damage of a closed local catalogue that can explain an error."""
    if not isinstance(location.catalogue, Path) or not _may_be_damage(error):
        return None
    try:
        state = read_catalogue(location.catalogue)
    except (duckdb.Error, LakeLocked):
        return None
    if state.foreign:
        # A sound database of somebody: the setting is wrong, and nothing may move the file away.
        return None
    # Without a copy the file can be something else than a lake, and the setting wrong.
    is_damaged = is_corruption(state.fault) or (state.fault and location.published_catalogue.exists())
    return damaged_catalogue(location, state.fault) if is_damaged else None


def refuse_lost_catalogue(location: LakeLocation) -> None:
    """Refuse to create a lake where a readers' copy exists. Raises: LakeDamaged."""
    assert isinstance(location.catalogue, Path)
    if location.published_catalogue.exists():
        if not location.catalogue.exists():
            raise damaged_catalogue(location, "it is not there")
        if location.catalogue.stat().st_size == 0:
            raise damaged_catalogue(location, "it is empty")


def fault_at_sight(location: LakeLocation) -> str:
    """Return the fault that presence and size of a local catalogue show, or an empty text.

    The file is not opened as a database: that would lock out a run that starts.
    """
    if not isinstance(location.catalogue, Path):
        return ""
    try:
        size = location.catalogue.stat().st_size
    except FileNotFoundError:
        return f"the catalogue {location.catalogue} is not there"
    if size == 0:
        return f"the catalogue {location.catalogue} is empty"
    # Source: DuckDB's storage format, three headers, then whole blocks of a multiple of 16 KiB.
    if size < _HEADER_BYTES or (size - _HEADER_BYTES) % _SMALLEST_BLOCK_BYTES:
        return f"the catalogue {location.catalogue} is cut off, at {size:,} bytes"
    return ""


def lost_at_sight(con: duckdb.DuckDBPyConnection, location: LakeLocation) -> str:
    """Return which data files of the newest snapshot are missing or cut off, or ""; a bucket is not listed."""
    lost = lost_files(con, location)[0] if isinstance(location.data, Path) else []
    if not lost:
        return ""
    tables = ", ".join(sorted({file.table for file in lost}))
    return f"{counted(len(lost), 'data file')} of {tables} {agreeing(len(lost), 'is', 'are')} missing or cut off"


def refuse_data_without_catalogue(con: duckdb.DuckDBPyConnection, location: LakeLocation) -> None:
    """Refuse to go on without a catalogue where there are data files. Raises: LakeDamaged.

    In a new lake over them, maintenance would remove them as files that no snapshot needs.
    """
    allow_data(con, location)
    if con.execute(f"FROM glob({literal(location.data_path + '**/*.parquet')}) LIMIT 1").fetchone() is not None:
        raise _missing_catalogue(location)


def is_nowhere(location: LakeLocation) -> bool:
    """Return whether a local lake has no catalogue, no copy of one and no data file. A server has to be asked."""
    if not isinstance(location.catalogue, Path) or not isinstance(location.data, Path):
        return False
    is_named = location.catalogue.exists() or location.published_catalogue.exists()
    return not is_named and next(location.data.rglob("*.parquet"), None) is None


def no_lake(location: LakeLocation, purpose: str) -> LakeIncompatible:
    """Return the error of work on a lake that was never created."""
    return LakeIncompatible(
        f"Opening the lake for {purpose}: there is no lake yet at {location.catalogue}; the first `dataflow run` "
        "creates it, or name the right home with --home"
    )


def _missing_catalogue(location: LakeLocation) -> LakeDamaged:
    """Return the error of a lake with data files and no catalogue."""
    backup = "a backup" if isinstance(location.catalogue, Path) else "the server's backup"
    return LakeDamaged(
        f"The lake at {location.catalogue} has no catalogue, and there are data files in {location.data}",
        part=Part.CATALOGUE,
        next_move=f"Put the catalogue back from {backup}; or name an empty lake.data for a new lake.",
    )


def damaged_files(location: LakeLocation, lost: list[LostFile]) -> LakeDamaged:
    """Return the error of lost files: which, of which tables, and how to continue without them."""
    tables = ", ".join(sorted({file.table for file in lost}))
    shown = "; ".join(map(str, lost[:_SHOWN_FILES]))
    more = f"; and {len(lost) - _SHOWN_FILES:,} more" if len(lost) > _SHOWN_FILES else ""
    needed, move = "", f"Put them back from a backup of {location.data}"
    if all(file.until is not None for file in lost):
        needed, move = " that only older snapshots need", f"{move}, or ask for a newer state."
    else:
        move += "; or go on without: `dataflow restore --lost-files`."
    what = f"{counted(len(lost), 'data file')}{needed}"
    return LakeDamaged(
        f"The lake at {location.catalogue} has lost {what}, of {tables}: {shown}{more}",
        part=Part.FILES,
        next_move=move,
    )


def damaged_catalogue(location: LakeLocation, fault: str) -> LakeDamaged:
    """Return the error of a damaged local catalogue, with the state of the readers' copy."""
    copy = read_catalogue(location.published_catalogue)
    if copy.is_whole:
        state = f"is whole, at snapshot {copy.snapshot}"
        move = f"`dataflow restore --catalogue` puts it in its place; the lake is at snapshot {copy.snapshot} then."
    else:
        state = f"is not whole either: {copy.fault}"
        move = "Put the catalogue back from a backup: data files do not record which of their rows are valid."
    return LakeDamaged(
        f"The catalogue {location.catalogue} is damaged: {fault}; the readers' copy {copy.path} {state}",
        part=Part.CATALOGUE,
        next_move=move,
    )


def damaged_copy(location: LakeLocation, fault: str) -> LakeDamaged:
    """Return the error of a damaged readers' copy of a local catalogue."""
    return LakeDamaged(
        f"The readers' copy of the catalogue {location.catalogue} is damaged: {location.published_catalogue}: {fault}",
        part=Part.COPY,
        next_move="`dataflow restore --catalogue` writes it anew from the catalogue; so does the next run.",
    )


def _texts(error: BaseException | None) -> str:
    """Return the messages of an error and of those behind it."""
    texts = []
    while error is not None:
        texts.append(str(error))
        error = error.__cause__ or error.__context__
    return " ".join(texts)


def _may_be_damage(error: BaseException) -> bool:
    """Return whether damage of the lake can explain an error: raised by DuckDB or the system, not for a statement."""
    if isinstance(error, duckdb.Error):
        return not is_of_the_caller(error)
    if isinstance(error, OSError | LakeUnreachable | LakeIncompatible):
        return True
    if isinstance(error, LakeError):
        return False
    inner = error.__cause__ or error.__context__
    return inner is not None and _may_be_damage(inner)
