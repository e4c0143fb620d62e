"""Permanent customer ids: who keeps one, who gets a new one, and what happened.

An old id goes with the largest part of its records (equal parts: the one with the smallest record id). Where several
old ids meet in one cluster, the oldest stays (equally old: the smallest) and the others are retired in its favour.
A cluster that no old id comes to gets an id of its own, made from its smallest record id and not from the clock, so
that a run that was killed and is run again gives the same ids. Where a merge is undone, the record that an id was once
made from brings it back: whoever kept that id is led to its own customer again, and not to the one it was merged into.
"""

from __future__ import annotations

import duckdb

ID_PREFIX = "C"


def assign_ids(con: duckdb.DuckDBPyConnection, clusters: str, before: str, *, born: str, spent: str, into: str) -> None:
    """Give each cluster its customer id.

    `clusters` (record_id, cluster, …) and `before` (record_id, customer_id) cover the same part of the crosswalk:
    every record that is now in one of the clusters or was with a customer of theirs. `born` (customer_id, born_at)
    says since when ids exist. `spent` (customer_id, is_live, to_customer_id) lists ids that a new cluster may not take,
    unless they were retired to nobody and its records are new, or in favour of the customer that it splits from.
    Shape: temporary tables `into`: record_id, customer_id; `into`_change: kind, customer_id, other_customer_id,
    record_count; one row per id created, split off, merged away or retired.
    """
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE id_overlap AS
        SELECT b.customer_id, c.cluster, count(*) AS records, min(c.record_id) AS first_record
        FROM {before} b JOIN {clusters} c ON c.record_id = b.record_id
        GROUP BY ALL
    """)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE id_heir AS
        WITH heir AS (
            SELECT customer_id, cluster, records FROM id_overlap
            QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY records DESC, first_record) = 1
        )
        SELECT h.*, row_number() OVER (PARTITION BY cluster ORDER BY born_at NULLS LAST, h.customer_id) = 1 AS stays
        FROM heir h LEFT JOIN ({born}) b ON b.customer_id = h.customer_id
    """)
    _make_new_ids(con, clusters, spent)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {into} AS
        SELECT c.record_id, coalesce(k.customer_id, n.customer_id) AS customer_id
        FROM {clusters} c
        LEFT JOIN id_heir k ON k.cluster = c.cluster AND k.stays
        LEFT JOIN id_new n ON n.cluster = c.cluster
    """)
    con.execute(f"CREATE OR REPLACE TEMP TABLE {into}_change AS {_changes_sql(clusters, before)}")
    for table in ("id_overlap", "id_heir", "id_new"):
        con.execute(f"DROP TABLE {table}")


def _make_new_ids(con: duckdb.DuckDBPyConnection, clusters: str, spent: str) -> None:
    """Ids for clusters without an heir: counted up until one is free, which the first nearly always is."""
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE id_new AS
        SELECT c.cluster, {_id_sql("c.cluster", "0")} AS customer_id, f.customer_id AS came_from
        FROM (SELECT DISTINCT cluster FROM {clusters}) c
        ANTI JOIN id_heir k ON k.cluster = c.cluster AND k.stays
        LEFT JOIN (
            SELECT cluster, customer_id FROM id_overlap
            QUALIFY row_number() OVER (PARTITION BY cluster ORDER BY records DESC, customer_id) = 1
        ) f ON f.cluster = c.cluster
    """)
    attempt = 0
    taken = f"""
        SELECT 1 FROM ({spent}) s
        WHERE s.customer_id = n.customer_id AND (s.is_live OR s.to_customer_id IS DISTINCT FROM n.came_from)
    """
    while True:
        attempt += 1
        moved = con.execute(f"""
            UPDATE id_new n SET customer_id = {_id_sql("n.cluster", str(attempt))} WHERE EXISTS ({taken})
        """).fetchone()
        if not moved or moved[0] == 0:
            return


def _id_sql(record: str, attempt: str) -> str:
    return f"'{ID_PREFIX}' || left(md5('customer|' || {record} || '|' || {attempt}), 20)"


def _changes_sql(clusters: str, before: str) -> str:
    return f"""
        WITH stays AS (SELECT cluster, customer_id FROM id_heir WHERE stays),
        size AS (SELECT cluster, count(*) AS records FROM {clusters} GROUP BY cluster)
        SELECT CASE WHEN n.came_from IS NULL THEN 'created' ELSE 'split' END AS kind, n.customer_id,
            n.came_from AS other_customer_id, s.records AS record_count
        FROM id_new n JOIN size s USING (cluster)
        UNION ALL
        SELECT 'merged', h.customer_id, k.customer_id, h.records
        FROM id_heir h JOIN stays k USING (cluster) WHERE NOT h.stays
        UNION ALL
        SELECT 'retired', b.customer_id, NULL, count(*)
        FROM {before} b ANTI JOIN id_heir h ON h.customer_id = b.customer_id GROUP BY b.customer_id
    """
