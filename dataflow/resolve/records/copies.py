"""Recognise copies: of many identical records two are compared, and the others join the cluster of these.

A key that a hundred records share is over its cap and brings no pairs, and their component is too large to weigh all
its pairs; identical records need neither.

| relation | columns | filled by | dropped by |
|---|---|---|---|
| touched_content | content | mark_copies | mark_copies |
| copy_role | record_id, is_copy | mark_copies | mark_copies |
| `into` of find_copies | record_id, entity_type, kept (the two that it is a copy of) | find_copies | its caller |
"""

from __future__ import annotations

import duckdb

from dataflow.tables.resolved import MATCH_RECORD
from dataflow.workspace.workspace import Workspace

MANY = 10
"""Identical records are copies from more than this number on."""


def kept_sql(records: str) -> str:
    """Return the SELECT of the contents that many of the records share, with the ids of the first two of each.

    Shape: content, kept (two record ids, in order).
    """
    return f"""
        SELECT content, list_sort(min(record_id, 2)) AS kept FROM {records}
        WHERE content IS NOT NULL GROUP BY content HAVING count(*) > {MANY}
    """


def mark_copies(ws: Workspace) -> None:
    """Stage `is_copy` of the match records that became copies, or are none any more.

    Copies have no part in keys and training. Which records are copies depends on the set of records alone.
    """
    con, match, changed = ws.con, MATCH_RECORD.sql_name, f"({ws.changed(MATCH_RECORD)})"
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE touched_content AS
        SELECT content FROM {match} SEMI JOIN {changed} USING (record_id)
        UNION SELECT content FROM {ws.before(MATCH_RECORD)} SEMI JOIN {changed} USING (record_id)
    """)
    member = f"(FROM {match} WHERE (content IN (SELECT content FROM touched_content)) IS TRUE)"
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE copy_role AS
        WITH member AS (SELECT record_id, content, is_copy FROM {member})
        SELECT record_id, kept IS NOT NULL AND NOT list_contains(kept, record_id) AS role
        FROM member LEFT JOIN ({kept_sql("member")}) USING (content)
        WHERE coalesce(is_copy, false) <> role
    """)
    if con.table("copy_role").shape[0] > 0:
        ws.stage(
            MATCH_RECORD,
            f"SELECT m.* EXCLUDE (_run_id) REPLACE (role AS is_copy) FROM {match} m JOIN copy_role USING (record_id)",
            scope="SELECT record_id FROM copy_role",
        )
    con.execute("DROP TABLE copy_role; DROP TABLE touched_content")


def find_copies(ws: Workspace, among: str, *, into: str) -> None:
    """Make the table `into`: the copies among the records of the table `among` (record_id)."""
    match = MATCH_RECORD.sql_name
    found = f"SELECT record_id, entity_type, content FROM {match} SEMI JOIN {among} USING (record_id) WHERE is_copy"
    ws.con.execute(f"""
        CREATE OR REPLACE TABLE {into} AS
        WITH found AS MATERIALIZED ({found}),
        kept AS (
            SELECT content, list(record_id ORDER BY record_id) AS kept FROM {match}
            WHERE (content IN (SELECT content FROM found)) IS TRUE AND is_copy IS NOT TRUE GROUP BY content
        )
        SELECT record_id, entity_type, kept FROM found JOIN kept USING (content)
    """)


def add_copies(con: duckdb.DuckDBPyConnection, copies: str, *, clusters: str) -> None:
    """Add the copies of the relation `copies` (record_id, kept) to the table `clusters` of find_clusters.

    Each joins the cluster of the two that it is a copy of. Where those two are in different clusters their content was
    not enough to link them, so each copy is alone.
    """
    con.execute(f"""
        INSERT INTO {clusters} BY NAME
        WITH found AS (
            SELECT c.record_id, one.* EXCLUDE (record_id), one.cluster = other.cluster AS is_one,
                row_number() OVER (ORDER BY c.record_id) AS place
            FROM {copies} c
            JOIN {clusters} one ON one.record_id = c.kept[1] JOIN {clusters} other ON other.record_id = c.kept[2]
        ),
        most AS (SELECT max(cluster) AS cluster FROM {clusters})
        SELECT record_id, if(is_one, f.cluster, most.cluster + place) AS cluster,
            if(is_one, confidence, 1) AS confidence, if(is_one, cluster_confidence, 1) AS cluster_confidence,
            is_one AND is_oversized AS is_oversized
        FROM found f, most
    """)
