"""Keep what readers were shown when the lake is restored: states of customers, and times of entry into segments.

`published.customer_history` is not restored. The restore ends the open states that the customer 360 does not show any
more, and opens those it shows again: as of any time one reads what was shown then. Memberships of segments are
restored; the times of entry that this takes away wait in `ops.segment_entry` for the next run, which computes the
customers again.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from duckdb import DuckDBPyConnection

from dataflow.tables.ops import SEGMENT_ENTRY
from dataflow.tables.published import CUSTOMER_360, CUSTOMER_HISTORY, SEGMENTS
from lakehouse import LakeView
from lakehouse.query import fetch_int
from lakehouse.table import column_list, literal, timestamp_literal

_SHOWN = "segment_entry_shown"
"""Temporary table of this connection: the columns of ops.segment_entry before the restore, `_run_id` excepted."""
_DIFFERING = "differing_customer"
"""Temporary table of the transaction: customer_id, and the boundary between its states."""
_ENTRY = ("customer_id", "segment_code", "entered_at")
_STATE = tuple(name for name in CUSTOMER_360.column_names if name not in ("customer_id", "_run_id"))


def note_entries(lake: LakeView, *, lost: Collection[str] = ()) -> None:
    """Fill the temporary table from the present lake. Call it before the transaction that restores.

    `lost` are tables whose present rows cannot be read any more: nothing is known of their entries.
    """
    existing = set(lake.tables()) - set(lost)
    known = [table for table in (SEGMENTS, SEGMENT_ENTRY) if table.full_name in existing]
    entries = " UNION ALL ".join(f"SELECT {column_list(_ENTRY)} FROM {table.in_lake}" for table in known)
    nothing = "SELECT NULL::VARCHAR AS customer_id, NULL::VARCHAR AS segment_code, NULL::TIMESTAMPTZ AS entered_at"
    lake.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {_SHOWN} AS
        SELECT customer_id, segment_code, min(entered_at) AS entered_at FROM ({entries or f"{nothing} WHERE false"})
        GROUP BY ALL
    """)


def write_entries(con: DuckDBPyConnection, *, run_id: str) -> None:
    """Keep the times of entry that the restored segments lack, inside the transaction that restores."""
    con.execute(f"DELETE FROM {SEGMENT_ENTRY.in_lake}")
    con.execute(f"""
        INSERT INTO {SEGMENT_ENTRY.in_lake} BY NAME
        SELECT {column_list(_ENTRY)}, {literal(run_id)} AS _run_id FROM {_SHOWN}
        ANTI JOIN {SEGMENTS.in_lake} USING (customer_id, segment_code)
    """)


def continue_history(con: DuckDBPyConnection, *, run_id: str, at: datetime) -> None:
    """End and open states so that the open ones are those of the customer 360, inside the caller's transaction.

    As in a publication, a state ends no earlier than it began, and one without duration is replaced.
    """
    history, state = CUSTOMER_HISTORY.in_lake, column_list(_STATE)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {_DIFFERING} AS
        WITH differing AS (
            SELECT coalesce(c.customer_id, o.customer_id) AS customer_id
            FROM (SELECT customer_id, ({state}) AS state FROM {history} WHERE valid_to IS NULL) o
            FULL JOIN (SELECT customer_id, ({state}) AS state FROM {CUSTOMER_360.in_lake}) c
            ON c.customer_id = o.customer_id
            WHERE c.customer_id IS NULL OR o.customer_id IS NULL OR c.state IS DISTINCT FROM o.state
        )
        SELECT d.customer_id,
            greatest({timestamp_literal(at)}, max(h.valid_from), max(h.valid_to)) AS boundary
        FROM differing d LEFT JOIN {history} h ON h.customer_id = d.customer_id GROUP BY ALL
    """)
    if not fetch_int(con, f"SELECT count(*) FROM {_DIFFERING}"):
        return
    open_state = "h.customer_id = d.customer_id AND h.valid_to IS NULL"
    con.execute(f"DELETE FROM {history} h USING {_DIFFERING} d WHERE {open_state} AND h.valid_from >= d.boundary")
    con.execute(f"UPDATE {history} h SET valid_to = d.boundary FROM {_DIFFERING} d WHERE {open_state}")
    con.execute(f"""
        INSERT INTO {history} BY NAME
        SELECT customer_id, d.boundary AS valid_from, NULL::TIMESTAMPTZ AS valid_to, {state},
            {literal(run_id)} AS _run_id
        FROM {CUSTOMER_360.in_lake} JOIN {_DIFFERING} d USING (customer_id)
    """)
