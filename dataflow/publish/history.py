"""Build published.customer_history: every state of the customer 360 (slowly changing dimension, type 2)."""

from __future__ import annotations

from dataflow.publish.builder import Builder
from dataflow.tables.published import CUSTOMER_360, CUSTOMER_HISTORY
from dataflow.workspace.workspace import Workspace
from lakehouse.table import column_list

_STATE = tuple(c for c in CUSTOMER_360.column_names if c not in ("customer_id", "_run_id"))


def history_sql(ws: Workspace) -> str:
    """Return the SELECT that closes the open state of each changed customer and opens the new one.

    A state begins where the previous one ended, or at the run's time. Where the run's time is not after the recorded
    times (a clock set back, a run's time used twice) the boundary is the latest recorded time, and a state of no
    duration is replaced.
    """
    state = column_list(_STATE)
    return f"""
        WITH {_changed_cte(ws)},
        closed AS (
            SELECT o.* EXCLUDE (valid_to), c.boundary AS valid_to
            FROM open_state o JOIN changed c USING (customer_id)
            WHERE o.valid_from < c.boundary
        ),
        opened AS (
            SELECT customer_id, c.boundary AS valid_from, {state}, NULL::TIMESTAMPTZ AS valid_to
            FROM {CUSTOMER_360.sql_name} JOIN changed c USING (customer_id)
            WHERE c.is_live
        )
        SELECT * EXCLUDE (_run_id) FROM closed
        UNION ALL BY NAME
        SELECT * FROM opened
    """


def history_scope(ws: Workspace) -> str:
    """Return the scope: the open states of changed customers, and the ones this run opens."""
    return f"""
        WITH {_changed_cte(ws)}
        SELECT customer_id, valid_from FROM open_state SEMI JOIN changed USING (customer_id)
        UNION
        SELECT customer_id, boundary FROM changed
    """


def _changed_cte(ws: Workspace) -> str:
    now = ws.run.now_sql
    return f"""
        changed_360 AS (
            SELECT customer_id, bool_or(change <> 'delete') AS is_live
            FROM ({ws.changed(CUSTOMER_360)}) GROUP BY customer_id
        ),
        past AS (SELECT * FROM {ws.before(CUSTOMER_HISTORY)} SEMI JOIN changed_360 USING (customer_id)),
        open_state AS (SELECT * FROM past WHERE valid_to IS NULL),
        changed AS (
            SELECT c.customer_id, c.is_live, greatest({now}, max(p.valid_from), max(p.valid_to)) AS boundary
            FROM changed_360 c LEFT JOIN past p USING (customer_id)
            GROUP BY ALL
        )
    """


HISTORY = Builder(table=CUSTOMER_HISTORY, sql=history_sql, scope=history_scope)
