"""Write the dead letters of one object: new, retried, resolved, superseded by a later valid version."""

from __future__ import annotations

from dataflow.tables.ops import DEAD_LETTER_WAITS, DEAD_LETTERS
from dataflow.validate.dead_letter_events import append_events
from dataflow.validate.incoming import INCOMING, KNOWN, known_sql
from dataflow.validate.newest import GONE, GOOD, NEWEST
from dataflow.validate.plan import ObjectPlan
from dataflow.validate.verdict import BREACH
from dataflow.workspace.workspace import Workspace
from lakehouse.table import quote

STAGED = "staged_dead_letters"
"""Table shared by all objects: the columns of ops.dead_letters, and `is_incoming`: set aside by this run."""

_ID = "md5(concat_ws('|', _source, _object, _record_key, _row_hash))"


def begin_dead_letters(ws: Workspace) -> None:
    """Create STAGED, empty."""
    columns = ", ".join(f"{quote(column.name)} {column.type}" for column in DEAD_LETTERS.columns)
    ws.con.execute(f"CREATE OR REPLACE TABLE work.main.{STAGED} ({columns}, is_incoming BOOLEAN)")


def add_dead_letters(ws: Workspace, plan: ObjectPlan) -> None:
    """Add the dead letters of one object that this run sets aside, resolves or supersedes."""
    ws.con.execute(f"""
        INSERT INTO {STAGED} BY NAME
        WITH known AS (FROM ({known_sql(plan)}) WHERE {DEAD_LETTER_WAITS}),
        bad AS ({_bad_sql(ws, plan)}),
        resolved AS ({_resolved_sql(ws)}),
        superseded AS ({_superseded_sql(ws)})
        SELECT *, true AS is_incoming FROM bad
        UNION ALL BY NAME SELECT *, false AS is_incoming FROM resolved
        UNION ALL BY NAME SELECT *, false AS is_incoming FROM superseded
    """)


def stage_dead_letters(ws: Workspace) -> None:
    """Stage the dead letters of all objects in one step, and the events of those whose state changes."""
    changed = f"""
        SELECT s.dead_letter_id, s._source, s._object, s._record_key, s.status AS state, {ws.run.now_sql} AS occurred_at
        FROM {STAGED} s LEFT JOIN {KNOWN} k ON k.dead_letter_id = s.dead_letter_id
        WHERE s.status IS DISTINCT FROM k.status
    """
    append_events(ws, f"SELECT *, NULL::VARCHAR AS author, NULL::VARCHAR AS reason FROM ({changed})")
    ws.stage(
        DEAD_LETTERS,
        f"SELECT * EXCLUDE (is_incoming, _run_id) FROM {STAGED}",
        scope=f"SELECT dead_letter_id FROM {STAGED}",
    )


def _bad_sql(ws: Workspace, plan: ObjectPlan) -> str:
    """Return the SELECT of the bad rows, one per version: a row received twice is one dead letter."""
    newer = f"""
        EXISTS (SELECT 1 FROM {NEWEST} n WHERE n._record_key = i._record_key AND {_outranks("n", "i")})
        OR EXISTS (SELECT 1 FROM {plan.valid.sql_name} v
                   WHERE v._record_key = i._record_key AND {_outranks("v", "i", is_deleted="false")})
        OR EXISTS (SELECT 1 FROM {GONE} g
                   WHERE g._record_key = i._record_key AND {_outranks("g", "i", is_deleted="true")})
    """
    return f"""
        SELECT coalesce(i.dead_letter_id, {_ID}) AS dead_letter_id, _source, _object, _record_key, _row_hash,
            _changed_at, payload, _locator AS locator, b.stage, b.rules[1] AS rule, b.rules, b.reason,
            CASE WHEN {newer} THEN 'superseded' ELSE 'open' END AS status,
            attempts + 1 AS attempts, coalesce(first_seen_at, {ws.run.now_sql}) AS first_seen_at,
            {ws.run.now_sql} AS last_seen_at,
            NULL::VARCHAR AS decided_by, NULL::VARCHAR AS decision_reason, NULL::VARCHAR AS _run_id
        FROM {INCOMING} i JOIN (
            SELECT row_id, first(stage ORDER BY phase, ordinal) AS stage, list(rule ORDER BY phase, ordinal) AS rules,
                string_agg(reason, '; ' ORDER BY phase, ordinal) AS reason
            FROM (
                SELECT row_id, rule, min(stage) AS stage, min(phase) AS phase, min(ordinal) AS ordinal,
                    string_agg(DISTINCT reason, '; ' ORDER BY reason) AS reason
                FROM {BREACH} GROUP BY row_id, rule
            ) GROUP BY row_id
        ) b ON b.row_id = i._row_id
        QUALIFY row_number() OVER (PARTITION BY _record_key, _row_hash ORDER BY _extracted_at, _row_id) = 1
    """


def _resolved_sql(ws: Workspace) -> str:
    # A row that is good without a requested replay was read again because the checks changed.
    return f"""
        SELECT k.* REPLACE ('resolved' AS status, k.attempts + 1 AS attempts, {ws.run.now_sql} AS last_seen_at)
        FROM known k SEMI JOIN {GOOD} g ON g._record_key = k._record_key AND g._row_hash = k._row_hash
    """


def _superseded_sql(ws: Workspace) -> str:
    return f"""
        SELECT k.* REPLACE ('superseded' AS status, {ws.run.now_sql} AS last_seen_at)
        FROM known k JOIN {NEWEST} n ON n._record_key = k._record_key AND {_outranks("n", "k")}
        WHERE k.dead_letter_id NOT IN (SELECT dead_letter_id FROM bad)
        AND k.dead_letter_id NOT IN (SELECT dead_letter_id FROM resolved)
    """


def _outranks(good: str, bad: str, *, is_deleted: str = "") -> str:
    """Return the SQL condition: the good version replaces the bad one. At equal times only a deletion does."""
    deleted = is_deleted or f"{good}._is_deleted"
    return f"({good}._changed_at > {bad}._changed_at OR {deleted} AND {good}._changed_at = {bad}._changed_at)"
