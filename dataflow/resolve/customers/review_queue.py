"""Stage the pairs for clerical review.

| relation | columns | filled by | dropped by |
|---|---|---|---|
| region | record_id | affected.py | resolve.step |
| near_pair | pair, entity_type, match_probability, verdict, is_waiting, is_contradicted | _lay_out | stage_review |
| near_record | record_id, customer_id, confidence, is_oversized | _lay_out | stage_review |
"""

from __future__ import annotations

from collections.abc import Mapping

from dataflow.tables.ops import REVIEW_QUEUE
from dataflow.tables.resolved import EDGE, JUDGED_PAIR, XREF
from dataflow.workspace.workspace import Workspace
from lakehouse.table import literal

SURE = 0.9
"""A record whose best link to its customer is less probable than this is queued as a weak link."""

_TOUCHES_REGION = "record_id_l IN (FROM region) OR record_id_r IN (FROM region)"


def stage_review(ws: Workspace, clusters: str, *, link_thresholds: Mapping[str, float]) -> None:
    """Queue the pairs of the region for which a person should decide, without those that a judgement decides.

    They are pairs near the threshold of different customers; weak links that alone hold a record to its customer; a
    `same` that waits for a second person, or that other judgements rule out. A pair keeps the time it was first queued.
    """
    cases = " ".join(f"WHEN {literal(kind)} THEN {level}" for kind, level in sorted(link_thresholds.items()))
    linked = f"p.match_probability >= CASE p.entity_type {cases} ELSE 1 END"
    _lay_out(ws, clusters)
    ws.stage(
        REVIEW_QUEUE,
        f"""
        WITH asked AS (
            SELECT p.record_id_l, p.record_id_r, p.entity_type, p.match_probability,
                CASE WHEN p.is_contradicted THEN 'contradiction'
                     WHEN p.is_waiting THEN 'second person'
                     WHEN p.verdict IN ('same', 'different') THEN NULL
                     WHEN l.customer_id <> r.customer_id THEN
                        CASE WHEN NOT {linked} THEN 'below threshold'
                             WHEN l.is_oversized AND r.is_oversized THEN 'oversized cluster'
                             ELSE 'weak bridge' END
                     WHEN {linked} AND p.match_probability < {SURE}
                        AND round(p.match_probability, 6) >= least(l.confidence, r.confidence) THEN 'weak link'
                END AS reason
            FROM near_pair p
            JOIN near_record l ON l.record_id = p.record_id_l
            JOIN near_record r ON r.record_id = p.record_id_r
        )
        SELECT a.*, coalesce(b.queued_at, {ws.run.now_sql}) AS queued_at
        FROM asked a LEFT JOIN {ws.before(REVIEW_QUEUE)} b USING (record_id_l, record_id_r)
        WHERE a.reason IS NOT NULL
        """,
        scope=f"SELECT record_id_l, record_id_r FROM {ws.before(REVIEW_QUEUE)} WHERE {_TOUCHES_REGION}",
    )
    ws.con.execute("DROP TABLE near_pair")
    ws.con.execute("DROP TABLE near_record")


def _lay_out(ws: Workspace, clusters: str) -> None:
    """Fill `near_pair` and `near_record`: the pairs that touch the region, and their records.

    In steps: planned as one query over the workspace's views this took minutes (November 2026).
    """
    ws.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE near_pair AS
        SELECT record_id_l, record_id_r, coalesce(e.entity_type, j.entity_type) AS entity_type,
            coalesce(e.match_probability, 0) AS match_probability, j.verdict,
            coalesce(j.is_waiting, false) AS is_waiting, coalesce(j.is_contradicted, false) AS is_contradicted
        FROM (FROM {EDGE.sql_name} WHERE {_TOUCHES_REGION}) e
        FULL JOIN (FROM {JUDGED_PAIR.sql_name} WHERE {_TOUCHES_REGION}) j USING (record_id_l, record_id_r)
    """)
    ws.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE near_record AS
        SELECT x.record_id, x.customer_id, x.confidence, coalesce(c.is_oversized, false) AS is_oversized
        FROM {XREF.sql_name} x
        SEMI JOIN (SELECT record_id_l AS record_id FROM near_pair UNION SELECT record_id_r FROM near_pair) n
            ON n.record_id = x.record_id
        LEFT JOIN {clusters} c ON c.record_id = x.record_id
    """)
