"""Read the state of the lake: last runs and their notes, freshness, completeness, gaps, dead letters, decisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb

from dataflow.govern.deciding import WAITS
from dataflow.observe.freshness import read_freshness, with_keys
from dataflow.run.folders import UnendedRun
from dataflow.settings import Settings
from dataflow.tables.declared import declared_objects
from dataflow.tables.ops import (
    COMPLETENESS,
    DEAD_LETTER_WAITS,
    DEAD_LETTERS,
    GAP,
    LANDED_FILE,
    REVIEW_QUEUE,
    RUN,
)
from dataflow.tables.published import CUSTOMER_360, ORDERS, TICKETS, XREF
from dataflow.workspace.report import NOTES_FACT
from dataflow.workspace.run_row import CRASHED, crash_note
from lakehouse import InboxContents
from lakehouse.query import fetch_int, fetch_records
from lakehouse.table import literal

Rows = list[dict[str, Any]]

# Tables are named without the lake: the report page runs some of these queries in a workspace.
_RUNS = f"""
    SELECT run_id, kind, status, started_at, round(epoch(finished_at) - epoch(started_at), 1) AS seconds, message
    FROM {RUN.sql_name}
"""

_COMPLETENESS = f"""
    WITH newest AS (
        SELECT * FROM {COMPLETENESS.sql_name} WHERE coalesce(comparison, 'landing') = 'landing'
        QUALIFY row_number() OVER (PARTITION BY source, object, window_from, window_until, coalesce(keys, '')
            ORDER BY checked_at DESC, _run_id DESC) = 1
    ),
    landed AS (
        SELECT source, object, count(*) AS windows, min(window_from) AS "from", max(window_until) AS until,
            sum(source_count)::BIGINT AS at_source, sum(raw_count)::BIGINT AS in_raw,
            bool_and(source_count = raw_count AND source_fingerprint = raw_fingerprint) AS is_whole
        FROM newest GROUP BY ALL
    ),
    checked AS (
        SELECT source, object,
            max(checked_at) FILTER (WHERE comparison = 'range') AS checked_at,
            arg_max(source_count, checked_at) FILTER (WHERE comparison = 'ahead') AS ahead,
            max(checked_at) FILTER (WHERE comparison IN ('keys', 'keys_in_ranges')) AS keys_compared_at,
            arg_max(appended_count, checked_at) FILTER (WHERE comparison IN ('keys', 'keys_in_ranges')) AS gone
        FROM {COMPLETENESS.sql_name} GROUP BY ALL
    )
    SELECT source, object, windows, "from", until, NULL::VARCHAR AS keys, at_source, in_raw,
        is_whole AND coalesce(ahead, 0) = 0 AS is_complete, checked_at, ahead, keys_compared_at, gone
    FROM landed LEFT JOIN checked USING (source, object) ORDER BY source, object
"""

# Marks that dataflow/sources/files/presence.py writes; the last one of each file counts.
WITHDRAWN = f"""
    WITH newest AS (
        SELECT * FROM {LANDED_FILE.sql_name} WHERE regexp_matches(fingerprint, '^(withdrawn|returned):[0-9]+$')
        QUALIFY row_number() OVER (PARTITION BY source, object, path
            ORDER BY split_part(fingerprint, ':', 2)::BIGINT DESC) = 1
    )
    SELECT source, object, count(*) AS files, min(landed_at) AS since, 'their rows stay in raw' AS note
    FROM newest WHERE fingerprint LIKE 'withdrawn:%' GROUP BY ALL ORDER BY source, object
"""

_GAPS = f"""
    SELECT source, object, CASE WHEN reason <> 'unplanned' THEN window_from END AS "from",
        CASE WHEN reason <> 'unplanned' THEN window_until END AS until, nullif(keys, '') AS keys,
        reason, missing_count AS missing, attempts, opened_at AS since, detail
    FROM {GAP.sql_name} WHERE status = 'open' ORDER BY source, object, window_from
"""

# Of the last run that validated.
_HELD_BACK = f"""
    WITH newest AS (
        SELECT steps, started_at FROM {RUN.sql_name} WHERE contains(steps, '"stage": "validate"')
        ORDER BY run_id DESC LIMIT 1
    ),
    held AS (
        SELECT json_extract_string(step, '$.subject') AS subject, json_extract_string(step, '$.facts.gap') AS detail,
            json_extract(step, '$.facts.rows_waiting')::BIGINT AS missing, started_at
        FROM (SELECT started_at, unnest(json_extract(steps, '$[*]')) AS step FROM newest)
        WHERE json_extract_string(step, '$.stage') = 'validate' AND json_extract(step, '$.facts.gap') IS NOT NULL
    )
    SELECT split_part(subject, '.', 1) AS source, split_part(subject, '.', 2) AS object, NULL AS "from", NULL AS until,
        NULL AS keys, 'held back' AS reason, missing, NULL AS attempts, started_at AS since, detail
    FROM held ORDER BY ALL
"""

WAITING_DEAD_LETTERS = f"""
    SELECT _source AS source, _object AS object, rule, status, count(*) AS rows, min(first_seen_at) AS since
    FROM {{letters}} WHERE {DEAD_LETTER_WAITS} GROUP BY ALL
"""

_PUBLISHED = f"""
    SELECT (SELECT count(*) FROM {CUSTOMER_360.sql_name}) AS customers,
        (SELECT count(*) FROM {XREF.sql_name}) AS records,
        (SELECT count(*) FROM {ORDERS.sql_name}) AS orders,
        (SELECT count(*) FROM {ORDERS.sql_name} WHERE customer_id IS NULL) AS orders_without_customer,
        (SELECT count(*) FROM {TICKETS.sql_name}) AS tickets,
        (SELECT count(*) FROM {TICKETS.sql_name} WHERE customer_id IS NULL) AS tickets_without_customer
"""

_NOTES = f"""
    WITH step AS (
        SELECT run_id, unnest(json_extract(steps, '$[*]')) AS step
        FROM (SELECT run_id, steps FROM {RUN.sql_name} ORDER BY run_id DESC LIMIT {{runs}})
    )
    SELECT run_id, json_extract_string(step, '$.stage') AS stage, json_extract_string(step, '$.subject') AS subject,
        unnest(json_extract_string(step, '$.facts.{NOTES_FACT}[*]')) AS note
    FROM step WHERE json_extract(step, '$.facts.{NOTES_FACT}') IS NOT NULL ORDER BY run_id DESC
"""


_PARTS_IN_LAKE = (
    "damaged",
    "published",
    "freshness",
    "completeness",
    "gaps",
    "notes",
    "withdrawn_files",
    "dead_letters",
    "inbox",
)


def read_status(
    con: duckdb.DuckDBPyConnection,
    *,
    settings: Settings,
    now: datetime,
    runs: int = 5,
    inbox: InboxContents | None = None,
    folders: Sequence[UnendedRun] = (),
) -> dict[str, Rows]:
    """Read the state of the lake that is the default database of `con`; `hours_behind` counts up to `now`.

    Of objects that are no longer declared neither freshness nor completeness is read.
    `inbox` holds the messages that the lake has not taken; their decisions are applied to what is read. `folders` are
    those of running and crashed runs, which are listed among the last `runs`.
    """
    inbox = inbox or InboxContents()
    pairs_to_review, letters = _as_decided(con, inbox)
    waiting = WAITING_DEAD_LETTERS.format(letters=letters)
    return {
        "runs": read_runs(con, limit=runs, folders=folders, now=now),
        "published": [one | {"pairs_to_review": pairs_to_review} for one in fetch_records(con, _PUBLISHED)],
        "freshness": read_freshness(con, settings, now=now),
        "completeness": read_completeness(con, settings),
        "gaps": with_keys(fetch_records(con, _GAPS), settings) + fetch_records(con, _HELD_BACK),
        "notes": fetch_records(con, _NOTES.format(runs=int(runs))),
        "withdrawn_files": fetch_records(con, WITHDRAWN),
        "dead_letters": fetch_records(con, f"FROM ({waiting}) ORDER BY rows DESC, source, object, rule"),
        "inbox": _inbox_rows(inbox),
    }


def read_completeness(con: duckdb.DuckDBPyConnection, settings: Settings) -> Rows:
    """Read what landing and the last check found of each declared object.

    Incomplete is an object whose windows raw does not hold whole, or with rows stamped later than its source's clock
    (`ahead`), which no run reads.
    """
    declared = set(declared_objects(settings))
    found = fetch_records(con, _COMPLETENESS)
    return with_keys([row for row in found if (row["source"], row["object"]) in declared], settings)


def status_without_lake(folders: Sequence[UnendedRun], *, now: datetime, error: str) -> dict[str, object]:
    """Return what is known while the lake cannot be read, in the parts of `read_status`; a part not known is None."""
    known = {"error": error, "runs": unrecorded_runs(folders, now=now)}
    return {**known, **dict.fromkeys((*_PARTS_IN_LAKE, "sinks"))}


def _as_decided(con: duckdb.DuckDBPyConnection, inbox: InboxContents) -> tuple[int, str]:
    """Count the pairs to review and name the relation of dead letters, both with the waiting decisions applied."""
    if not inbox.messages:
        return fetch_int(con, f"SELECT count(*) FROM {REVIEW_QUEUE.sql_name}"), DEAD_LETTERS.sql_name
    # Importing these takes longer than the rest of the command.
    from dataflow.govern.review.review import count_pairs
    from dataflow.resolve.judgements.messages import lay_over_judgements
    from dataflow.validate.dead_letter_decisions import lay_over_dead_letters

    return count_pairs(con, judgements=lay_over_judgements(con, inbox)), lay_over_dead_letters(con, inbox).relation


def _inbox_rows(inbox: InboxContents) -> Rows:
    """Return a row for each kind of waiting message, and one for each reason why files are not messages."""
    rows: Rows = []
    for kind in sorted({message.kind for message in inbox.messages}):
        messages = inbox.of_kind(kind)
        since = min(message.written_at for message in messages)
        rows.append({"kind": kind, "count": len(messages), "since": since, "state": WAITS})
    for state, names in (
        ("not messages: the next run sets them aside", inbox.damaged),
        ("cannot be read", inbox.unreadable),
        ("not messages: set aside", inbox.set_aside),
    ):
        if names:
            rows.append({"kind": "files", "count": len(names), "since": None, "state": f"{state}: {', '.join(names)}"})
    return rows


def unrecorded_runs(folders: Sequence[UnendedRun], *, now: datetime) -> Rows:
    """Return the running and crashed runs as rows of the status, newest first."""
    return [_unrecorded(folder, now=now) for folder in sorted(folders, key=lambda each: each.run_id, reverse=True)]


def read_runs(con: duckdb.DuckDBPyConnection, *, limit: int, folders: Sequence[UnendedRun] = (), now: datetime) -> Rows:
    """Read the last runs, newest first, those of `folders` that run or crashed among them."""
    ids = ", ".join(literal(folder.run_id) for folder in folders) or "NULL"
    recorded = fetch_records(con, f"FROM ({_RUNS}) ORDER BY run_id DESC LIMIT {int(limit)}")
    # A run that has published is recorded while its sinks are updated.
    known = {row["run_id"]: row for row in fetch_records(con, f"FROM ({_RUNS}) WHERE run_id IN ({ids})")}
    rows = {row["run_id"]: row for row in recorded}
    for folder in folders:
        if folder.run_id not in known:
            rows[folder.run_id] = _unrecorded(folder, now=now)
        elif not folder.is_running and folder.run_id in rows:
            row = rows[folder.run_id]
            row["message"] += crash_note(folder.crashed(), row["status"], row["message"])
    return [rows[run_id] for run_id in sorted(rows, reverse=True)[:limit]]


def _unrecorded(folder: UnendedRun, *, now: datetime) -> dict[str, Any]:
    crashed = None if folder.is_running else folder.crashed()
    seen = now if crashed is None else crashed.last_seen_at
    return {
        "run_id": folder.run_id,
        "kind": folder.kind,
        "status": "running" if crashed is None else CRASHED,
        "started_at": folder.started_at,
        "seconds": round((seen - folder.started_at).total_seconds(), 1),
        "message": folder.running_message if crashed is None else crashed.message,
    }
