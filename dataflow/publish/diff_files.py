"""Write the rows that differ between two states of the lake as Parquet, for consumers that follow it.

Applied to the older state they give the newer one, in every column.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataflow.errors import UsageError
from dataflow.publish.diff import as_of_sql
from dataflow.tables import published
from lakehouse import LakeView, Snapshot
from lakehouse.table import Table, column_list, quote

MANIFEST = "diff.json"
_KINDS = ("inserted", "updated", "deleted")
_BATCH_ROWS = 100_000


@dataclass(frozen=True, kw_only=True)
class ChangedRows:
    """The rows of one table that differ, and the file that has them."""

    table: str
    file: str
    inserted: int
    updated: int
    deleted: int


@dataclass(frozen=True, kw_only=True)
class _Ends:
    """The two states: their snapshots and publication numbers."""

    older: Snapshot
    newer: Snapshot
    from_publication: int
    to_publication: int


def write_diff(
    view: LakeView, older: Snapshot, newer: Snapshot, *, folder: Path, counted: Callable[[int], None]
) -> list[ChangedRows]:
    """Write a file for each published table and the manifest `diff.json` to a new folder, whole or not at all.

    `counted` gets the number of rows of each batch before it is written.
    Shape: one row per row that was inserted, updated (both as they are in `newer`) or deleted (as it was in `older`);
    `_change`, `_from_publication`, `_to_publication`, then the columns of the table; in the order of its key.
    Raises: UsageError when the folder exists or cannot be written.
    """
    ends = _Ends(
        older=older,
        newer=newer,
        from_publication=_publication_at(view, older),
        to_publication=_publication_at(view, newer),
    )
    with _new_folder(folder) as draft:
        written = [_write_table(view, table, ends, draft, counted) for table in published.TABLES]
        manifest = {
            "lake_id": view.lake_id(),
            "from_publication": ends.from_publication,
            "to_publication": ends.to_publication,
            "from_snapshot": older.id,
            "to_snapshot": newer.id,
            "tables": [asdict(each) for each in written],
        }
        (draft / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return written


def _publication_at(view: LakeView, snapshot: Snapshot) -> int:
    """Return the publication number of a snapshot; its own where the publication before it was expired."""
    return view.last_change_in("published", upto=snapshot.id) or snapshot.id


def _write_table(
    view: LakeView, table: Table, ends: _Ends, folder: Path, counted: Callable[[int], None]
) -> ChangedRows:
    name = f"{table.name}.parquet"
    counts = dict.fromkeys(_KINDS, 0)
    found = view.con.execute(_changed_sql(view, table, ends)).to_arrow_reader(_BATCH_ROWS)
    with pq.ParquetWriter(folder / name, found.schema, compression="zstd") as out:
        for batch in found:
            counted(batch.num_rows)
            out.write_batch(batch)
            for kind in pc.value_counts(batch.column("_change")):
                counts[kind["values"].as_py()] += kind["counts"].as_py()
    return ChangedRows(table=table.full_name, file=name, **counts)


def _changed_sql(view: LakeView, table: Table, ends: _Ends) -> str:
    old, new = (_state(view, table, snapshot.id) for snapshot in (ends.older, ends.newer))
    on = " AND ".join(f"n.{quote(key)} = o.{quote(key)}" for key in table.key)
    first = quote(table.key[0])
    # Volatile columns too, unlike the counts of `diff`: a customer who left a segment and came back has another time.
    others = [name for name in table.column_names if name not in table.key]
    differs = " OR ".join(f"n.{quote(name)} IS DISTINCT FROM o.{quote(name)}" for name in others)
    columns = ", ".join(
        f"CASE WHEN n.{first} IS NULL THEN o.{quote(name)} ELSE n.{quote(name)} END AS {quote(name)}"
        for name in table.column_names
    )
    return f"""
        SELECT CASE WHEN o.{first} IS NULL THEN 'inserted' WHEN n.{first} IS NULL THEN 'deleted' ELSE 'updated' END
            AS _change,
            {ends.from_publication}::BIGINT AS _from_publication, {ends.to_publication}::BIGINT AS _to_publication,
            {columns}
        FROM ({new}) n FULL JOIN ({old}) o ON {on}
        WHERE o.{first} IS NULL OR n.{first} IS NULL OR {differs}
        ORDER BY {column_list(table.key)}
        """


def _state(view: LakeView, table: Table, version: int) -> str:
    """Return the SELECT of the table's columns at a snapshot; NULL for those that it did not have then."""
    if table.full_name not in view.tables(version):
        nothing = ", ".join(f"NULL::{column.type} AS {quote(column.name)}" for column in table.columns)
        return f"SELECT {nothing} WHERE false"
    relation = as_of_sql(table, version)
    present = {str(name) for (name,) in view.con.execute(_NAMES.format(relation=relation)).fetchall()}
    columns = ", ".join(
        f"{quote(column.name)}::{column.type} AS {quote(column.name)}"
        if column.name in present
        else f"NULL::{column.type} AS {quote(column.name)}"
        for column in table.columns
    )
    return f"SELECT {columns} FROM {relation}"


_NAMES = "SELECT column_name FROM (DESCRIBE FROM {relation})"


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yield a draft; make it durable and give it its name after the block, or remove it after an error.

    Raises: UsageError.
    """
    try:
        if folder.exists():
            raise UsageError(
                f"--out names {folder}, which exists.", next_move="Name a folder that does not exist; it is made."
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        _clear_drafts(folder)
        draft = folder.with_name(f".{folder.name}.{os.getpid()}.draft")
        draft.mkdir()
        held = os.open(draft, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield draft
            for path in (*draft.iterdir(), draft):
                _sync(path)
            draft.rename(folder)
            _sync(folder.parent)
        finally:
            os.close(held)
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise UsageError(
            f"Writing the changed rows to {folder}: {error.strerror or type(error).__name__}.",
            next_move="Name a folder on a disk with space that this user can write to; nothing was written.",
        ) from error


def _clear_drafts(folder: Path) -> None:
    """Remove the drafts that killed processes left."""
    for draft in folder.parent.glob(f".{folder.name}.*.draft"):
        with suppress(OSError):
            held = os.open(draft, os.O_RDONLY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(draft)
            finally:
                os.close(held)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
