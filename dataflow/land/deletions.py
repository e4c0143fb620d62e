"""Add deletions to raw of records that a source no longer has, and does not name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import unquote

import duckdb
import pyarrow as pa

from dataflow.tables.raw import raw_table
from dataflow.workspace.staging import Run
from lakehouse.table import literal

ALWAYS_ALLOWED = 100
"""This many records can be gone whatever their share: a small table is sometimes emptied."""


def insert_deletions(
    con: duckdb.DuckDBPyConnection,
    name: tuple[str, str],
    key_fields: Sequence[str],
    gone: pa.Table,
    run: Run,
    *,
    locator: str,
) -> None:
    """Insert a deletion of each record in `gone` (`record_key` as received, `changed_at` of its newest version).

    Shape of a deletion: the key, now as its version, and the key fields as payload, since nothing else is known.
    """
    if not gone.num_rows:
        return
    raw = raw_table(*name)
    keys = gone.column("record_key").to_pylist()
    payloads = [json.dumps(_key_values(key, key_fields), ensure_ascii=False) for key in keys]
    con.register("gone_keys", gone.append_column("payload", pa.array(payloads, pa.string())))
    # Not before the version it ends: a source whose clock is ahead can have stamped that version later than now.
    now = run.now_sql
    con.execute(f"""
        INSERT INTO {raw.in_lake} BY NAME
        SELECT {literal(run.run_id)} AS _run_id, {literal(name[0])} AS _source, {literal(name[1])} AS _object,
            record_key AS _record_key, {now} AS _extracted_at, md5(payload) AS _row_hash,
            greatest({now}, changed_at) AS _changed_at, true AS _is_deleted,
            {literal(locator)} AS _locator, NULL AS _defect, payload
        FROM gone_keys
    """)
    con.unregister("gone_keys")


def _key_values(key: str, names: Sequence[str]) -> dict[str, str]:
    """Return the key's fields as text; the parts of a composite key were escaped when they were joined."""
    if len(names) == 1:
        return {names[0]: key}
    parts = [unquote(part) for part in key.split("|")]
    # A row without a key is named by its hash, and so is its deletion.
    return dict(zip(names, parts, strict=True)) if len(parts) == len(names) else {}
