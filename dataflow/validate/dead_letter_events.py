"""Append what becomes of dead letters to ops.dead_letter_event; the newest event of a dead letter is its state."""

from __future__ import annotations

from datetime import datetime

from duckdb import DuckDBPyConnection

from dataflow.tables.ops import DEAD_LETTER_EVENT, DEAD_LETTERS
from dataflow.workspace.workspace import Workspace
from lakehouse.query import fetch_int
from lakehouse.table import column_list, literal, timestamp_literal

_EVENT = "dead_letter_events"
"""Temporary table with the columns of ops.dead_letter_event without `_run_id`: the events to append."""

# A run takes decisions before it validates: of its events on one dead letter, a decision is the earlier one.
OLDEST_FIRST = "occurred_at, _run_id, state NOT IN ('replaying', 'discarded')"
"""The order of the events of one dead letter, oldest first."""


def append_events(ws: Workspace, events: str) -> None:
    """Append a SELECT of events; without any, the table is not staged."""
    if fetch_int(ws.con, f"CREATE OR REPLACE TEMP TABLE {_EVENT} AS {events}"):
        ws.append(DEAD_LETTER_EVENT, f"FROM {_EVENT}")
    ws.con.execute(f"DROP TABLE {_EVENT}")


def newest_states_sql(events: str) -> str:
    """Return the SELECT of `dead_letter_id` and `state` of the newest event of each."""
    return f"""
        SELECT dead_letter_id, last(state ORDER BY {OLDEST_FIRST}) AS state FROM {events} GROUP BY dead_letter_id
    """


def write_missing_events(con: DuckDBPyConnection, *, run_id: str, at: datetime) -> None:
    """Write an event of each dead letter whose status is not that of its newest event, in the caller's transaction.

    A restore takes dead letters back without a run; those of a lake of an earlier version have no events.
    """
    columns = ("dead_letter_id", "_source", "_object", "_record_key")
    con.execute(f"""
        INSERT INTO {DEAD_LETTER_EVENT.in_lake} BY NAME
        SELECT {column_list(columns, prefix="d")}, d.status AS state, NULL::VARCHAR AS author,
            NULL::VARCHAR AS reason, {timestamp_literal(at)} AS occurred_at, {literal(run_id)} AS _run_id
        FROM {DEAD_LETTERS.in_lake} d
        LEFT JOIN ({newest_states_sql(DEAD_LETTER_EVENT.in_lake)}) e ON e.dead_letter_id = d.dead_letter_id
        WHERE e.state IS DISTINCT FROM d.status
    """)
