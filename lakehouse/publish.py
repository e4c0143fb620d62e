"""The readers' copy of a local catalogue: written aside, made durable, then renamed into place in one step."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from lakehouse.attach import BLOCK_SIZE
from lakehouse.table import literal

_DRAFT = "catalogue_copy"
# Differs between any two states of a catalogue: commits add snapshots, expiry removes them, compaction and cleanup
# change files.
_STATE = """
    SELECT (SELECT max(snapshot_id) FROM {m}.ducklake_snapshot),
        (SELECT count(*) FROM {m}.ducklake_snapshot) || '/'
        || (SELECT count(*) || ':' || coalesce(max(data_file_id), 0) FROM {m}.ducklake_data_file) || '/'
        || (SELECT count(*) FROM {m}.ducklake_files_scheduled_for_deletion) || '/'
        || (SELECT count(*) FROM {m}.ducklake_metadata)
"""


@dataclass(frozen=True)
class CatalogueState:
    """The identity of a catalogue's state; `snapshot` is the newest."""

    snapshot: int
    fingerprint: str


def publish_catalogue(con: duckdb.DuckDBPyConnection, target: Path, *, metadata: str) -> None:
    """Replace `target` by a consistent copy of the attached catalogue.

    Readers that have the old copy open keep it: its inode exists until they close it. So old copies do not accumulate.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for left_behind in target.parent.glob(f"{target.name}.*.draft*"):
        left_behind.unlink()
    draft = target.with_name(f"{target.name}.{os.getpid()}.draft")
    try:
        copy_catalogue(con, draft, metadata=metadata)
        draft.replace(target)
        sync(target.parent)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
            draft.with_name(draft.name + ".wal").unlink(missing_ok=True)
        raise


def copy_catalogue(con: duckdb.DuckDBPyConnection, target: Path, *, metadata: str) -> None:
    """Write the attached local catalogue, as one transaction sees it, durably to a new file."""
    con.execute(f"ATTACH {literal(str(target))} AS {_DRAFT} (BLOCK_SIZE {BLOCK_SIZE})")
    try:
        con.execute(f"COPY FROM DATABASE {metadata.partition('.')[0]} TO {_DRAFT}")
    finally:
        con.execute(f"DETACH {_DRAFT}")
    sync(target)


def copied_state(con: duckdb.DuckDBPyConnection, target: Path) -> CatalogueState | None:
    """Return the state of a copy, to compare with that of the attached catalogue; None without a readable copy.

    A run killed after its commit leaves an older copy.
    """
    if not target.exists():
        return None
    try:
        con.execute(f"ATTACH {literal(str(target))} AS {_DRAFT} (READ_ONLY)")
    except duckdb.Error:
        return None
    try:
        return catalogue_state(con, f"{_DRAFT}.main")
    except duckdb.Error:
        return None
    finally:
        con.execute(f"DETACH {_DRAFT}")


def catalogue_state(con: duckdb.DuckDBPyConnection, metadata: str) -> CatalogueState:
    """Return the state of an attached catalogue."""
    row = con.execute(_STATE.format(m=metadata)).fetchone()
    assert row is not None
    return CatalogueState(int(row[0] or 0), str(row[1]))


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
