"""How things stand: last runs, how fresh each object is, whether raw holds what the source held, what is set aside."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import duckdb

from dataflow.govern.deciding import WAITS
from dataflow.tables.ops import DEAD_LETTERS as LETTERS
from dataflow.tables.ops import REVIEW_QUEUE
from lakehouse import InboxContents
from lakehouse.query import fetch_int

Rows = list[dict[str, Any]]

RUNS = """
    SELECT run_id, kind, status, started_at, round(epoch(finished_at) - epoch(started_at), 1) AS seconds, message
    FROM lake.ops.run ORDER BY run_id DESC LIMIT {limit}
"""

FRESHNESS = """
    SELECT source, object, cursor_at AS watermark, advanced_at,
        round((epoch(TIMESTAMPTZ '{now}') - epoch(cursor_at)) / 3600, 1) AS hours_behind
    FROM lake.ops.watermark ORDER BY source, object
"""

COMPLETENESS = """
    WITH newest AS (
        SELECT * FROM lake.ops.completeness WHERE coalesce(comparison, 'landing') = 'landing'
        QUALIFY row_number() OVER (PARTITION BY source, object, window_from, window_until, coalesce(keys, '')
            ORDER BY checked_at DESC, _run_id DESC) = 1
    )
    SELECT source, object, count(*) AS windows, min(window_from) AS "from", max(window_until) AS until,
        sum(source_count)::BIGINT AS at_source, sum(raw_count)::BIGINT AS in_raw,
        bool_and(source_count = raw_count AND source_fingerprint = raw_fingerprint) AS is_complete
    FROM newest GROUP BY ALL ORDER BY source, object
"""

# Marks of dataflow/sources/files/presence.py: of each file the last one counts.
WITHDRAWN = """
    WITH newest AS (
        SELECT * FROM lake.ops.landed_file WHERE regexp_matches(fingerprint, '^(withdrawn|returned):[0-9]+$')
        QUALIFY row_number() OVER (PARTITION BY source, object, path
            ORDER BY split_part(fingerprint, ':', 2)::BIGINT DESC) = 1
    )
    SELECT source, object, count(*) AS files, min(landed_at) AS since, 'their rows stay in raw' AS note
    FROM newest WHERE fingerprint LIKE 'withdrawn:%' GROUP BY ALL ORDER BY source, object
"""

GAPS = """
    SELECT source, object, CASE WHEN reason <> 'unplanned' THEN window_from END AS "from",
        CASE WHEN reason <> 'unplanned' THEN window_until END AS until, nullif(keys, '') AS keys,
        reason, missing_count AS missing, attempts, opened_at AS since, detail
    FROM lake.ops.gap WHERE status = 'open' ORDER BY source, object, window_from
"""

DEAD_LETTERS = """
    SELECT _source AS source, _object AS object, rule, status, count(*) AS rows, min(first_seen_at) AS since
    FROM {letters} WHERE status IN ('open', 'replaying')
    GROUP BY ALL ORDER BY rows DESC, source, object, rule
"""

PUBLISHED = """
    SELECT (SELECT count(*) FROM lake.published.customer_360) AS customers,
        (SELECT count(*) FROM lake.published.xref) AS records,
        (SELECT count(*) FROM lake.published.orders) AS orders,
        (SELECT count(*) FROM lake.published.tickets) AS tickets
"""


def read_status(
    con: duckdb.DuckDBPyConnection, *, now: datetime, runs: int = 5, inbox: InboxContents | None = None
) -> dict[str, Rows]:
    """Read the state of the lake attached to `con` as `lake`; `hours_behind` counts up to `now`.

    `inbox`: the messages that it has not taken; what they decide is laid over.
    """
    inbox = inbox or InboxContents()
    pairs_to_review, letters = _as_decided(con, inbox)
    return {
        "runs": read_rows(con, RUNS.format(limit=int(runs))),
        "published": [one | {"pairs_to_review": pairs_to_review} for one in read_rows(con, PUBLISHED)],
        "freshness": read_rows(con, FRESHNESS.format(now=now.isoformat())),
        "completeness": read_rows(con, COMPLETENESS),
        "gaps": read_rows(con, GAPS),
        "withdrawn_files": read_rows(con, WITHDRAWN),
        "dead_letters": read_rows(con, DEAD_LETTERS.format(letters=letters)),
        "inbox": _inbox_rows(inbox),
    }


def _as_decided(con: duckdb.DuckDBPyConnection, inbox: InboxContents) -> tuple[int, str]:
    """How many pairs wait for a decision, and the relation of the dead letters, with what waits laid over."""
    if not inbox.messages:
        return fetch_int(con, f"SELECT count(*) FROM {REVIEW_QUEUE.in_lake}"), LETTERS.in_lake
    # What they import costs more than all the rest of a status.
    from dataflow.govern.review.review import count_pairs
    from dataflow.resolve.judgements.messages import lay_over_judgements
    from dataflow.validate.letter_decisions import lay_over_letters

    return count_pairs(con, judgements=lay_over_judgements(con, inbox)), lay_over_letters(con, inbox).relation


def _inbox_rows(inbox: InboxContents) -> Rows:
    """What waits for the next run by kind, and files that are not messages, each kind of trouble in a row."""
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


def read_rows(con: duckdb.DuckDBPyConnection, sql: str) -> Rows:
    """Run a query and return its rows by column name."""
    cursor = con.execute(sql)
    names = [str(column[0]) for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
