"""How far each declared object has been read: to a time of its source, or to a key where it follows its key."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import duckdb

from dataflow.settings import Settings
from dataflow.sources import Window
from dataflow.sources.following import objects_by_key
from dataflow.sources.key_versions import key_of_version
from dataflow.tables.declared import declared_objects
from dataflow.tables.ops import WATERMARK
from lakehouse.query import fetch_records

Rows = list[dict[str, Any]]


def read_freshness(con: duckdb.DuckDBPyConnection, settings: Settings, *, now: datetime) -> Rows:
    """Read the watermarks of the declared objects; of the others nothing is read any more.

    Shape: source, object, `watermark` (a time) or `key`, advanced_at, and `hours_behind` of the time.
    """
    # Named without the lake: the report page runs this in a workspace.
    found = fetch_records(
        con, f"SELECT source, object, cursor_at, advanced_at FROM {WATERMARK.sql_name} ORDER BY source, object"
    )
    declared, by_key = set(declared_objects(settings)), objects_by_key(settings)
    rows = []
    for row in found:
        name, cursor_at = (row["source"], row["object"]), row["cursor_at"]
        if name not in declared:
            continue
        is_key = name in by_key
        hours = None if is_key else round((now - cursor_at).total_seconds() / 3600, 1)
        rows.append(
            {
                "source": name[0],
                "object": name[1],
                "watermark": None if is_key else cursor_at,
                "key": key_of_version(cursor_at) if is_key else None,
                "advanced_at": row["advanced_at"],
                "hours_behind": hours,
            }
        )
    return rows


def with_keys(rows: Rows, settings: Settings) -> Rows:
    """Return rows with the interval `from`, `until` in which that of an object by key is the text `keys` instead."""
    by_key = objects_by_key(settings)
    return [_keys_of(row) if (row["source"], row["object"]) in by_key else row for row in rows]


def _keys_of(row: dict[str, Any]) -> dict[str, Any]:
    if row["from"] is None:
        return row
    # A window that was cut is limited to a range of keys already.
    keys = row["keys"] or Window(row["from"], row["until"]).label_of_keys
    return {**row, "from": None, "until": None, "keys": keys}
