"""Choose the newest good version of each record; the other versions are merged into it."""

from __future__ import annotations

from dataflow.sources.record_key import raw_key_sql
from dataflow.sources.versions import NEWEST_BY, is_newer, newest_sql
from dataflow.validate.incoming import INCOMING
from dataflow.validate.plan import ObjectPlan
from dataflow.validate.verdict import BREACH
from dataflow.workspace.workspace import Workspace

NEWEST = "newest"
"""Temporary table: `_row_id`, `_record_key`, version columns; one row per record with a new newest version."""

GOOD = "good"
"""Temporary table: the same columns, for each incoming row that breaks no rule."""

GONE = "gone"
"""Temporary table: `_record_key`, `_changed_at`: the last deletion in raw of each incoming record."""


def choose_newest(ws: Workspace, plan: ObjectPlan, *, is_whole: bool) -> None:
    """Fill GOOD, NEWEST and GONE. `is_whole`: all of raw was read, so earlier results do not count."""
    ws.con.execute(f"CREATE OR REPLACE TEMP TABLE {GONE} AS {_gone_sql(ws, plan, is_whole=is_whole)}")
    ws.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {GOOD} AS
        SELECT _row_id, _record_key, {", ".join(NEWEST_BY)}, was_dead FROM {INCOMING}
        WHERE _row_id NOT IN (SELECT row_id FROM {BREACH})
    """)
    ws.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {NEWEST} AS
        SELECT * FROM ({newest_sql(GOOD, "*")}) n
        WHERE {"true" if is_whole else _newer_than_before(ws, plan)}
    """)


def _gone_sql(ws: Workspace, plan: ObjectPlan, *, is_whole: bool) -> str:
    if is_whole:
        return "SELECT NULL::VARCHAR AS _record_key, NULL::TIMESTAMPTZ AS _changed_at WHERE false"
    key = raw_key_sql("t", plan.key_kinds)
    # A deleted record has no valid row: only raw holds the deletion.
    return f"""
        SELECT {key} AS _record_key, max(t._changed_at) AS _changed_at FROM {ws.before(plan.raw)} t
        WHERE t._is_deleted AND t._defect IS NULL
        AND {key} IN (SELECT _record_key FROM {INCOMING}) GROUP BY 1
    """


def _newer_than_before(ws: Workspace, plan: ObjectPlan) -> str:
    """Return the SQL condition: newer than the valid row, and not a late version of a deleted record."""
    return f"""
        NOT EXISTS (
            SELECT 1 FROM {ws.before(plan.valid)} v WHERE v._record_key = n._record_key
            AND {is_newer("v", "n", left_is_deleted="false")}
        )
        AND NOT EXISTS (
            SELECT 1 FROM {GONE} g WHERE g._record_key = n._record_key
            AND NOT n._is_deleted AND g._changed_at >= n._changed_at
        )
    """
