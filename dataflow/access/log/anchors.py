"""Anchor the newest head of every writer where those who can write the log cannot change it alike.

In the lake, in the transaction that records a run: the head then stands in the lake's history, in the message of its
snapshot, and on the run's report. In a bucket with Object Lock it cannot be removed before its retention ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from dataflow.access.log.checkpoint import Head, head_of, split_note
from dataflow.access.log.place import newest_heads
from dataflow.access.log.verify import Anchor
from dataflow.settings import Settings
from dataflow.tables.ops import ACCESS_ANCHOR
from lakehouse.table import column_list, literal, timestamp_literal


def heads_to_anchor(con: DuckDBPyConnection, settings: Settings) -> list[str]:
    """Return the newest head of each writer that the lake on `con` does not have yet, as notes."""
    notes = newest_heads(settings)
    if not notes:
        return []
    known = con.execute(f"SELECT origin, tree_size FROM {ACCESS_ANCHOR.in_lake}").fetchall()
    anchored = {(str(origin), int(size)) for origin, size in known}
    return [note for note in notes if (_head(note).origin, _head(note).size) not in anchored]


def write_anchors(con: DuckDBPyConnection, notes: Sequence[str], *, run_id: str, at: datetime) -> None:
    """Write heads to the lake inside the caller's transaction; it can be repeated."""
    for note in notes:
        head = _head(note)
        values = {
            "origin": literal(head.origin),
            "tree_size": str(head.size),
            "root": literal(head.root.hex()),
            "note": literal(note),
            "anchored_at": timestamp_literal(at),
            "_run_id": literal(run_id),
        }
        same = f"origin = {values['origin']} AND tree_size = {head.size}"
        con.execute(
            f"INSERT INTO {ACCESS_ANCHOR.in_lake} ({column_list(values)}) SELECT {', '.join(values.values())}"
            f" WHERE NOT EXISTS (FROM {ACCESS_ANCHOR.in_lake} WHERE {same})"
        )


def anchors_in_lake(con: DuckDBPyConnection) -> list[Anchor]:
    """Return the heads that a lake keeps; none of a lake made before it kept them."""
    exists = con.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE schema_name = ? AND table_name = ?",
        [ACCESS_ANCHOR.schema, ACCESS_ANCHOR.name],
    ).fetchone()
    if not exists or not exists[0]:
        return []
    rows = con.execute(f"SELECT note, _run_id FROM {ACCESS_ANCHOR.in_lake} ORDER BY origin, tree_size").fetchall()
    return [Anchor(str(note), f"run {run_id}") for note, run_id in rows]


def with_heads(message: str, notes: Sequence[str]) -> str:
    """Add heads to the message of a commit: name, entries and root of each."""
    if not notes:
        return message
    heads = [_head(note) for note in notes]
    return f"{message}; access log {', '.join(f'{head.origin} {head.size} {head.root.hex()}' for head in heads)}"


def put_in_bucket(settings: Settings, *, now: datetime) -> int:
    """Put the newest head of every writer into the bucket; return how many it did not have.

    Raises: AccessLogError, ConfigurationError.
    """
    # Imported late: most lakes have no such bucket, and its client loads slowly.
    from dataflow.access.log.bucket import HeadBucket

    notes = newest_heads(settings)
    bucket = HeadBucket.of(settings)
    return sum(bucket.put(_head(note), note, now=now.astimezone(UTC)) for note in notes)


def anchors_in_bucket(settings: Settings) -> list[Anchor]:
    """Return all heads that the bucket keeps. Raises: AccessLogError, ConfigurationError."""
    from dataflow.access.log.bucket import HeadBucket

    return [Anchor(note, f"the bucket object {name}") for name, note in HeadBucket.of(settings).heads()]


def _head(note: str) -> Head:
    return head_of(split_note(note)[0])
