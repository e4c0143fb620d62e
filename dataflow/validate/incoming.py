"""Which rows this run validates: new raw rows, dead letters to be replayed, and those whose parent has come."""

from __future__ import annotations

from dataflow.tables.ops import DEAD_LETTERS, RUN
from dataflow.validate.plan import ObjectPlan
from dataflow.workspace import Workspace
from lakehouse import SnapshotNotFound
from lakehouse.table import literal

KNOWN = "known_letters"
"""Temporary table: the dead letters of all objects that were not closed when the run began, and the discarded ones."""

INCOMING = "incoming"
"""Temporary table: raw columns, `_row_id`, and of a dead letter: `was_dead`, `attempts`, `first_seen_at`."""


def last_raw_snapshot(ws: Workspace) -> int:
    """Return the snapshot up to which raw rows have been published or found to change nothing; 0 for none."""
    row = ws.con.execute(
        f"SELECT coalesce(max(raw_snapshot_id), 0) FROM {RUN.sql_name} WHERE status IN ('published', 'unchanged')"
    ).fetchone()
    return int(row[0]) if row else 0


def collect_known(ws: Workspace) -> None:
    """Fill KNOWN: the lake is asked once, not once an object."""
    ws.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {KNOWN} AS
        SELECT * FROM {ws.before(DEAD_LETTERS)} WHERE status IN ('open', 'replaying', 'discarded')
    """)


def collect_incoming(ws: Workspace, plan: ObjectPlan, *, after: int) -> None:
    """Fill INCOMING. A row that is both new and a dead letter counts as new; a discarded one stays out."""
    ws.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {INCOMING} AS
        WITH fresh AS (
            SELECT _source, _object, coalesce(_record_key, _row_hash) AS _record_key, _extracted_at, _row_hash,
                _changed_at, _is_deleted, _locator, _defect, payload,
                false AS was_dead, 0 AS attempts, NULL::TIMESTAMPTZ AS first_seen_at
            FROM ({_fresh(ws, plan, after=after)}) n
            WHERE NOT EXISTS (
                SELECT 1 FROM {KNOWN} k WHERE k.status = 'discarded' AND k._row_hash = n._row_hash
                AND k._source = n._source AND k._object = n._object AND k._record_key = n._record_key
            )
        ),
        again AS (
            SELECT _source, _object, _record_key, last_seen_at AS _extracted_at, _row_hash,
                _changed_at, false AS _is_deleted, locator AS _locator,
                CASE WHEN stage = 'land' THEN reason END AS _defect, payload,
                true AS was_dead, attempts, first_seen_at
            FROM {KNOWN} d
            WHERE {of_object(plan)} AND ({_due(ws, plan)})
            AND NOT EXISTS (SELECT 1 FROM fresh f WHERE f._record_key = d._record_key AND f._row_hash = d._row_hash)
        )
        SELECT row_number() OVER () AS _row_id, * FROM (SELECT * FROM fresh UNION ALL SELECT * FROM again)
    """)


def of_object(plan: ObjectPlan) -> str:
    """SQL condition: a dead letter of this object."""
    return f"_source = {literal(plan.source)} AND _object = {literal(plan.name)}"


def _fresh(ws: Workspace, plan: ObjectPlan, *, after: int) -> str:
    if after == 0:
        return f"SELECT * FROM {ws.before(plan.raw)}"
    try:
        return ws.lake.insertions(plan.raw, after=after, upto=ws.base.id)
    except SnapshotNotFound:
        # The history since then was expired, or raw was replaced: all of raw again says the same at a higher price.
        return f"SELECT * FROM {ws.before(plan.raw)}"


def _due(ws: Workspace, plan: ObjectPlan) -> str:
    """Replays asked for, and rows set aside for a missing parent that this run found valid."""
    due = ["status = 'replaying'"]
    for reference in plan.references:
        parent = ws.tables["valid." + reference.object.replace(".", "_", 1)]
        arrived = f"SELECT _record_key FROM ({ws.changed(parent)}) WHERE change = 'insert'"
        path = literal('$."' + reference.field.replace('"', '\\"') + '"')
        value = f"CASE WHEN json_valid(payload) THEN json_extract_string(payload, {path}) END"
        due.append(f"(status = 'open' AND list_contains(rules, 'refers_to') AND {value} IN ({arrived}))")
    return " OR ".join(due)
