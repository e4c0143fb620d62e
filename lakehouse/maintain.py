"""Keep the lake small and fast: merge small files, forget old snapshots, remove files nobody can reach any more.

Every function wants a `Lake` that is alone: beside a busy writer, expiry was measured to lose a committed delete.
Readers may go on. Their data files stay for `GRACE` after the catalogue let go of them, so what bounds a reader is
how long it keeps one connection open.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lakehouse.errors import LakeLocked
from lakehouse.lake import Lake
from lakehouse.table import DATABASE, literal, timestamp_literal
from lakehouse.translate import translating

# A query of an analyst or a page of the workbench is over by then; a file is only disk space.
GRACE = timedelta(hours=1)
# A file from which this share of rows was deleted is written anew; DuckLake's own default is 0.95.
_DELETED_SHARE = 0.2
# Larger files are left alone: merging a day's few megabytes into gigabytes would write the gigabytes every day.
_SMALL_FILE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Maintained:
    """What one maintenance did; counts of files, snapshots, files."""

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
    """Compact, then expire snapshots from before `older_than`, then remove files out of use for `grace`.

    `keep` names snapshots that stay whatever their age. `needed_after` is the snapshot up to which every consumer has
    read the change feed: later ones stay. Raises: LakeLocked when the lake is not alone.
    """
    compacted = compact(lake)
    expired = expire(lake, older_than=older_than, keep=keep, needed_after=needed_after)
    return Maintained(compacted, expired, clean_up(lake, grace=grace))


def compact(lake: Lake) -> int:
    """Rewrite files with many deleted rows and merge small ones. Returns the number of files replaced."""
    require_alone(lake, "compact")
    with translating(f"Compacting the lake at {lake.location.catalogue}"):
        # Each is one commit of its own: the change feed cuts a rewrite out by its snapshot.
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
    """Forget snapshots older than a time, never the newest nor those to keep. Returns how many."""
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
    """Remove the files that left the catalogue, or never got in, more than `grace` ago. Returns how many.

    Never "all": a reader may have attached the catalogue just before it let go of them. The age is measured by the
    clock that stamped the files, so the time is no argument here.
    """
    require_alone(lake, "clean up")
    if grace and lake.was_behind:
        # A killed process left readers an older catalogue, which some may have attached a moment ago.
        return 0
    before = f"older_than => {timestamp_literal(datetime.now(UTC) - grace)}"
    removed = 0
    with translating(f"Cleaning up the lake at {lake.location.catalogue}"):
        # The second finds what killed writers left behind.
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
