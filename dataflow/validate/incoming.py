"""Choose the rows that a run validates: new raw rows, dead letters to replay, rows whose parent is valid now."""

from __future__ import annotations

from dataflow.sources.record_key import is_plain, raw_key_sql, record_key_sql
from dataflow.tables.ops import DEAD_LETTER_WAITS, DEAD_LETTERS
from dataflow.validate.plan import ObjectPlan
from dataflow.workspace.workspace import Workspace
from lakehouse import SnapshotNotFound
from lakehouse.feed import is_without_rows
from lakehouse.query import fetch_int
from lakehouse.table import literal

KNOWN = "known_dead_letters"
"""Table shared by all objects: the dead letters as decided before this run; payload only of those not closed."""

INCOMING = "incoming"
"""Temporary table: raw columns, `_row_id`, `was_dead`; of a dead letter also its id, `attempts`, `first_seen_at`.

`_record_key` is canonical (sources/record_key.py).
"""


def collect_known(ws: Workspace) -> None:
    """Fill KNOWN for all objects: one query of the lake instead of one per object."""
    ws.con.execute(f"""
        CREATE OR REPLACE TABLE work.main.{KNOWN} AS
        SELECT * REPLACE (CASE WHEN {DEAD_LETTER_WAITS} THEN payload END AS payload)
        FROM {DEAD_LETTERS.sql_name}
    """)


def may_have_incoming(ws: Workspace, plan: ObjectPlan, *, fresh: str | None) -> bool:
    """Return whether an object can have incoming rows: new ones, a requested replay, a parent that this run changed.

    Laid out and judged without rows, an object takes a fifth of a second.
    """
    if fresh is None or not is_without_rows(fresh):
        return True
    if any(f"valid.{name.replace('.', '_', 1)}" in ws.staged for name in plan.parents):
        return True
    return bool(fetch_int(ws.con, f"SELECT count(*) FROM {KNOWN} WHERE {of_object(plan)} AND status = 'replaying'"))


def fresh_sql(ws: Workspace, plan: ObjectPlan, *, after: int) -> str | None:
    """Return the SELECT of raw rows landed in snapshots after `after`; None where that snapshot has expired."""
    try:
        return ws.lake.insertions(plan.raw, after=after, upto=ws.base.id)
    except SnapshotNotFound:
        return None


def collect_incoming(ws: Workspace, plan: ObjectPlan, *, fresh: str | None) -> None:
    """Fill INCOMING from the raw rows `fresh`, or from all of raw where it is None; discarded rows stay out.

    A row that is both new and a dead letter counts as new.
    """
    received = fresh or f"SELECT * FROM {ws.before(plan.raw)}"
    if not is_plain(plan.key_kinds):
        received = f"SELECT * REPLACE ({raw_key_sql('r', plan.key_kinds)} AS _record_key) FROM ({received}) r"
    ws.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {INCOMING} AS
        WITH known AS ({known_sql(plan)}),
        fresh AS (
            SELECT n._source, n._object, n._record_key, n._extracted_at,
                n._row_hash, n._changed_at, n._is_deleted, n._locator, n._defect, n.payload,
                false AS was_dead, coalesce(k.attempts, 0) AS attempts, k.first_seen_at, k.dead_letter_id
            FROM ({received}) n LEFT JOIN known k
            ON k._record_key = n._record_key AND k._row_hash = n._row_hash
            WHERE k.status IS DISTINCT FROM 'discarded'
        ),
        again AS (
            SELECT _source, _object, _record_key, last_seen_at AS _extracted_at, _row_hash,
                _changed_at, false AS _is_deleted, locator AS _locator,
                CASE WHEN stage = 'land' THEN reason END AS _defect, payload,
                true AS was_dead, attempts, first_seen_at, dead_letter_id
            FROM known d WHERE ({_due(ws, plan)})
            AND NOT EXISTS (SELECT 1 FROM fresh f WHERE f._record_key = d._record_key AND f._row_hash = d._row_hash)
        )
        SELECT row_number() OVER () AS _row_id, * FROM (SELECT * FROM fresh UNION ALL SELECT * FROM again)
    """)


def known_sql(plan: ObjectPlan) -> str:
    """Return the SELECT of the known dead letters of an object, their keys canonical."""
    key = raw_key_sql("k", plan.key_kinds)
    return f"SELECT * REPLACE ({key} AS _record_key) FROM {KNOWN} k WHERE {of_object(plan)}"


def of_object(plan: ObjectPlan) -> str:
    """Return the SQL condition: a dead letter of this object."""
    return f"_source = {literal(plan.source)} AND _object = {literal(plan.name)}"


def _due(ws: Workspace, plan: ObjectPlan) -> str:
    """Return the SQL condition: a replay was requested, or a missing parent became valid in this run."""
    due = ["status = 'replaying'"]
    references = [(check.name, *pair) for check in plan.checks for pair in check.arguments.references()]
    for rule, field, object_name in references:
        parent = ws.tables["valid." + object_name.replace(".", "_", 1)]
        arrived = f"SELECT _record_key FROM ({ws.changed(parent)}) WHERE change = 'insert'"
        path = literal('$."' + field.replace('"', '\\"') + '"')
        text = f"CASE WHEN json_valid(payload) THEN json_extract_string(payload, {path}) END"
        value = record_key_sql(text, plan.keys[object_name])
        due.append(f"(status = 'open' AND list_contains(rules, {literal(rule)}) AND {value} IN ({arrived}))")
    return " OR ".join(due)
