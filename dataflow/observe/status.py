"""How things stand: last runs, how fresh each object is, whether raw holds what the source held, what is set aside."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import duckdb

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
    FROM lake.ops.dead_letters WHERE status IN ('open', 'replaying')
    GROUP BY ALL ORDER BY rows DESC, source, object, rule
"""

PUBLISHED = """
    SELECT (SELECT count(*) FROM lake.published.customer_360) AS customers,
        (SELECT count(*) FROM lake.published.xref) AS records,
        (SELECT count(*) FROM lake.published.orders) AS orders,
        (SELECT count(*) FROM lake.published.tickets) AS tickets,
        (SELECT count(*) FROM lake.ops.review_queue) AS pairs_to_review
"""


def read_status(con: duckdb.DuckDBPyConnection, *, now: datetime, runs: int = 5) -> dict[str, Rows]:
    """Read the state of the lake attached to `con` as `lake`; `hours_behind` counts up to `now`."""
    return {
        "runs": read_rows(con, RUNS.format(limit=int(runs))),
        "published": read_rows(con, PUBLISHED),
        "freshness": read_rows(con, FRESHNESS.format(now=now.isoformat())),
        "completeness": read_rows(con, COMPLETENESS),
        "gaps": read_rows(con, GAPS),
        "withdrawn_files": read_rows(con, WITHDRAWN),
        "dead_letters": read_rows(con, DEAD_LETTERS),
    }


def read_rows(con: duckdb.DuckDBPyConnection, sql: str) -> Rows:
    """Run a query and return its rows by column name."""
    cursor = con.execute(sql)
    names = [str(column[0]) for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
