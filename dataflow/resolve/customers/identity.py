"""Assign permanent customer ids: which cluster keeps one, which gets a new one, and the events of both.

An old id goes with the largest part of its records (equal parts: the one with the smallest record id). Where several
old ids meet in one cluster, the oldest stays (equally old: the smallest) and the others are retired in its favour.
A cluster without an old id gets a new one, made from its smallest record id and not from the clock, so that a run that
was killed gives the same ids when it is repeated.

An undone merge gives the retired id back: a part takes an id again, whatever its size, where its smallest record is the
one that the id was made from and most of its records came together with that record. The id that the merged customer
had stays with the other part.

| relation | columns | filled by | dropped by |
|---|---|---|---|
| id_cluster | cluster, smallest, records | _find_overlaps | assign_ids |
| id_overlap | customer_id, cluster, smallest, records, first_record, goes_back | _find_overlaps | assign_ids |
| id_heir | customer_id, cluster, records, stays | _choose_heirs | assign_ids |
| id_new | as id_cluster, customer_id, came_from, goes_back | _make_new_ids | assign_ids |
| `into`, `into`_change | see assign_ids | assign_ids | its caller |
"""

from __future__ import annotations

import duckdb

from dataflow.workspace.pushdown import pushdown_condition

ID_PREFIX = "C"


def assign_ids(
    con: duckdb.DuckDBPyConnection, clusters: str, before: str, *, born: str, current: str, retired: str, into: str
) -> None:
    """Assign a customer id to each cluster.

    `clusters` (record_id, cluster, …) and `before` (record_id, customer_id, linked_at) cover the same part of the
    crosswalk: every record that is now in one of the clusters or was with a customer of theirs. `born` (customer_id,
    born_at) gives the age of ids. A new cluster takes no id of `current` (customer_id). Of `retired` (customer_id,
    to_customer_id) it takes an id without a successor where its records are new, or the one that an undone merge gives
    back.
    Shape: temporary tables `into`: record_id, customer_id; `into`_change: kind, customer_id, other_customer_id,
    record_count; one row per id created, split off, merged away or retired.
    """
    _find_overlaps(con, clusters, before, retired=retired)
    _choose_heirs(con, born)
    _make_new_ids(con, current=current, retired=retired)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {into} AS
        SELECT c.record_id, coalesce(k.customer_id, n.customer_id) AS customer_id
        FROM {clusters} c
        LEFT JOIN id_heir k ON k.cluster = c.cluster AND k.stays
        LEFT JOIN id_new n ON n.cluster = c.cluster
    """)
    con.execute(f"CREATE OR REPLACE TEMP TABLE {into}_change AS {_changes_sql(before)}")
    for table in ("id_cluster", "id_overlap", "id_heir", "id_new"):
        con.execute(f"DROP TABLE {table}")


def _find_overlaps(con: duckdb.DuckDBPyConnection, clusters: str, before: str, *, retired: str) -> None:
    """Fill `id_cluster`, and `id_overlap` with the records that each old customer shares with each cluster."""
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE id_cluster AS
        SELECT cluster, min(record_id) AS smallest, count(*) AS records FROM {clusters} GROUP BY cluster
    """)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE id_overlap AS
        WITH known AS (
            SELECT b.*, cluster, smallest FROM {before} b JOIN {clusters} USING (record_id)
            JOIN id_cluster USING (cluster)
        ),
        part AS (
            SELECT k.customer_id, k.cluster, k.smallest, count(*) AS records, min(k.record_id) AS first_record,
                2 * count(*) FILTER (WHERE k.linked_at = f.linked_at) > count(*) AS came_together
            FROM known k LEFT JOIN known f ON f.record_id = k.smallest AND f.customer_id = k.customer_id
            GROUP BY k.customer_id, k.cluster, k.smallest
        )
        SELECT p.* EXCLUDE (came_together), p.came_together AND s.customer_id IS NOT NULL AS goes_back
        FROM part p LEFT JOIN ({retired}) s
            ON s.customer_id = {_id_sql("p.smallest", "0")} AND s.to_customer_id = p.customer_id
    """)


def _choose_heirs(con: duckdb.DuckDBPyConnection, born: str) -> None:
    """Fill `id_heir` with the cluster that each old id goes to, and whether it stays there or is merged away."""
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE id_heir AS
        WITH heir AS (
            SELECT customer_id, cluster, records FROM id_overlap
            QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY goes_back, records DESC, first_record) = 1
        )
        SELECT h.*, row_number() OVER (PARTITION BY cluster ORDER BY born_at NULLS LAST, h.customer_id) = 1 AS stays
        FROM heir h LEFT JOIN ({born}) b ON b.customer_id = h.customer_id
    """)


def _make_new_ids(con: duckdb.DuckDBPyConnection, *, current: str, retired: str) -> None:
    """Fill `id_new` with ids for the clusters without an old one, counted up until free (nearly always the first)."""
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE id_new AS
        SELECT c.*, {_id_sql("c.smallest", "0")} AS customer_id, f.customer_id AS came_from,
            coalesce(f.goes_back, false) AS goes_back
        FROM id_cluster c
        ANTI JOIN id_heir k ON k.cluster = c.cluster AND k.stays
        LEFT JOIN (
            SELECT cluster, customer_id, goes_back FROM id_overlap
            QUALIFY row_number() OVER (PARTITION BY cluster ORDER BY records DESC, customer_id) = 1
        ) f ON f.cluster = c.cluster
    """)
    attempt = 0
    may_take = """CASE WHEN n.came_from IS NULL THEN s.to_customer_id IS NULL
        ELSE n.goes_back AND coalesce(s.to_customer_id = n.came_from, false) END"""
    while True:
        attempt += 1
        pushdown = pushdown_condition(con, "id_new", "customer_id")
        taken = f"""
            n.customer_id IN (SELECT customer_id FROM ({current}) WHERE {pushdown})
            OR EXISTS (SELECT 1 FROM ({retired}) s WHERE s.customer_id = n.customer_id AND NOT {may_take})
        """
        moved = con.execute(f"""
            UPDATE id_new n SET customer_id = {_id_sql("n.smallest", str(attempt))} WHERE {taken}
        """).fetchone()
        if not moved or moved[0] == 0:
            return


def _id_sql(record: str, attempt: str) -> str:
    return f"'{ID_PREFIX}' || left(md5('customer|' || {record} || '|' || {attempt}), 20)"


def _changes_sql(before: str) -> str:
    return f"""
        WITH stays AS (SELECT cluster, customer_id FROM id_heir WHERE stays)
        SELECT CASE WHEN came_from IS NULL THEN 'created' ELSE 'split' END AS kind, customer_id,
            came_from AS other_customer_id, records AS record_count
        FROM id_new
        UNION ALL
        SELECT 'merged', h.customer_id, k.customer_id, h.records
        FROM id_heir h JOIN stays k USING (cluster) WHERE NOT h.stays
        UNION ALL
        SELECT 'retired', b.customer_id, NULL, count(*)
        FROM {before} b ANTI JOIN id_heir h ON h.customer_id = b.customer_id GROUP BY b.customer_id
    """
