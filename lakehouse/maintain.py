"""Keep the lake small and fast: merge small files, expire old snapshots, remove unreferenced files.

Every function needs a `Lake` that is alone: beside a busy writer, expiry loses a committed delete (measured). Readers
can continue: data files stay for `GRACE` after the catalogue dropped them, which limits how long a reader may keep a
connection open.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lakehouse.errors import LakeLocked
from lakehouse.lake import Lake
from lakehouse.table import DATABASE, literal, timestamp_literal
from lakehouse.translate import translating

# Longer than a query of an analyst or a page of the workbench; waiting files only take disk space.
GRACE = timedelta(hours=1)
# A file of which this share of rows was deleted is rewritten; DuckLake's default is 0.95.
_DELETED_SHARE = 0.2
# Larger files are not merged: adding a day's megabytes to gigabytes would rewrite the gigabytes every day.
_SMALL_FILE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Maintained:
    """The result of one maintenance: counts of files, snapshots, files."""

    files_compacted: int
    snapshots_expired: int
    files_removed: int


def maintain(
    lake: Lake,
    *,
    older_than: datetime,
    keep: Collection[int] = (),
    needed_after: int | None = None,
    grace: timedelta = GRACE,
) -> Maintained:
    """Compact, then expire snapshots older than `older_than`, then remove files unused for `grace`.

    `keep`: snapshots that stay at any age. `needed_after`: the snapshot up to which every consumer has read the change
    feed; later ones stay. Raises: LakeLocked when the lake is not alone.
    """
    compacted = compact(lake)
    expired = expire(lake, older_than=older_than, keep=keep, needed_after=needed_after)
    return Maintained(compacted, expired, clean_up(lake, grace=grace))


def compact(lake: Lake) -> int:
    """Rewrite files with many deleted rows and merge small ones; return the number of replaced files."""
    require_alone(lake, "compact")
    with translating(f"Compacting the lake at {lake.location.catalogue}"):
        # Each is a commit of its own: the change feed cuts a rewrite out by its snapshot.
        rewritten = lake.con.execute(
            f"CALL ducklake_rewrite_data_files({literal(DATABASE)}, delete_threshold => {_DELETED_SHARE})"
        ).fetchall()
        merged = lake.con.execute(
            f"CALL ducklake_merge_adjacent_files({literal(DATABASE)}, max_file_size => {_SMALL_FILE_BYTES})"
        ).fetchall()
        lake.renew_extremes()
    lake.publish_catalogue()
    return sum(int(files) for _, _, files, _ in (*rewritten, *merged))


def expire(lake: Lake, *, older_than: datetime, keep: Collection[int] = (), needed_after: int | None = None) -> int:
    """Expire snapshots older than a time, except the newest and those to keep; return their number."""
    require_alone(lake, "expire snapshots of")
    snapshots = lake.snapshots()
    newest = snapshots[-1].id
    limit = newest if needed_after is None else min(newest, needed_after + 1)
    chosen = [s.id for s in snapshots if s.at < older_than and s.id < limit and s.id not in keep]
    if chosen:
        versions = ", ".join(map(str, chosen))
        with translating(f"Expiring snapshots of the lake at {lake.location.catalogue}"):
            lake.con.execute(f"CALL ducklake_expire_snapshots({literal(DATABASE)}, versions => [{versions}])")
        lake.publish_catalogue()
    return len(chosen)


def clean_up(lake: Lake, *, grace: timedelta = GRACE) -> int:
    """Remove files that left the catalogue, or never entered it, more than `grace` ago; return their number.

    Not all of them: a reader can have attached the catalogue just before it dropped them. The age is measured by the
    clock that stamped the files, so the time is not an argument.
    """
    require_alone(lake, "clean up")
    if grace and lake.was_behind:
        # A killed process left readers an older catalogue, which one can have attached just now.
        return 0
    before = f"older_than => {timestamp_literal(datetime.now(UTC) - grace)}"
    removed = 0
    with translating(f"Cleaning up the lake at {lake.location.catalogue}"):
        # The second call finds files of killed writers.
        for function in ("ducklake_cleanup_old_files", "ducklake_delete_orphaned_files"):
            removed += len(lake.con.execute(f"CALL {function}({literal(DATABASE)}, {before})").fetchall())
    if removed:
        lake.publish_catalogue()
    return removed


def require_alone(lake: Lake, doing: str) -> None:
    """Raise LakeLocked unless no other process can write."""
    if not lake.is_alone:
        raise LakeLocked(
            f"To {doing} the lake at {lake.location.catalogue}, open it with alone=True: writers may be busy"
        )
