"""Stage what follows from new clusters: the crosswalk, redirects, events, golden customers.

| relation | columns | filled by | dropped by |
|---|---|---|---|
| region | record_id | affected.py | resolve.step |
| `clusters` | as new_cluster of step.py | resolve.step | resolve.step |
| xref_before | record_id, customer_id, linked_at | stage_identities | resolve.step |
| assigned | record_id, customer_id | assign_ids | resolve.step |
| assigned_change | kind, customer_id, other_customer_id, record_count | assign_ids | resolve.step |
| new_redirect | customer_id, to_customer_id | _stage_redirects | _stage_redirects |
| golden_key | customer_id | stage_golden | stage_golden |
| golden_record | see golden_sql | stage_golden | stage_golden |
"""

from __future__ import annotations

from collections.abc import Mapping

from dataflow.resolve.customers.golden import golden_sql, other_values_sql
from dataflow.resolve.customers.identity import assign_ids
from dataflow.resolve.customers.present_ids import AS_IT_IS
from dataflow.tables.conformed import CUSTOMER_RECORD
from dataflow.tables.resolved import GOLDEN_CUSTOMER, IDENTITY_EVENT, OTHER_VALUE, REDIRECT, XREF
from dataflow.workspace.pushdown import pushdown_condition
from dataflow.workspace.workspace import Workspace
from lakehouse.table import literal


def stage_identities(ws: Workspace, clusters: str, *, present_id: str = AS_IT_IS) -> None:
    """Assign customer ids to the clusters of `region`; stage crosswalk, redirects and events.

    A record that is gone counts with the id `present_id`: its customer goes on where the record is there under that id.
    """
    con = ws.con
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE xref_before AS
        WITH linked AS (
            SELECT record_id, customer_id, linked_at FROM {ws.before(XREF)} SEMI JOIN region USING (record_id)
            WHERE {pushdown_condition(con, "region", "record_id")}
        )
        FROM linked SEMI JOIN {clusters} USING (record_id)
        UNION ALL
        SELECT {present_id} AS record_id, customer_id, min(linked_at) AS linked_at
        FROM linked ANTI JOIN {clusters} USING (record_id) GROUP BY ALL
    """)
    born = f"""
        SELECT customer_id, min(occurred_at) AS born_at FROM {ws.before(IDENTITY_EVENT)}
        WHERE kind IN ('created', 'split') AND customer_id IN (SELECT customer_id FROM xref_before)
        GROUP BY customer_id
    """
    current = f"SELECT customer_id FROM {ws.before(XREF)}"
    retired = f"SELECT customer_id, to_customer_id FROM {ws.before(REDIRECT)}"
    assign_ids(con, clusters, "xref_before", born=born, current=current, retired=retired, into="assigned")
    now = ws.run.now_sql
    ws.stage(
        XREF,
        f"""
        SELECT c.record_id, a.customer_id, c.entity_type, c.confidence,
            coalesce(b.linked_at, {now}) AS linked_at
        FROM {clusters} c JOIN assigned a USING (record_id)
        LEFT JOIN (SELECT record_id, customer_id, min(linked_at) AS linked_at FROM xref_before GROUP BY ALL) b
        ON b.record_id = a.record_id AND b.customer_id = a.customer_id
        """,
        scope="SELECT record_id FROM region",
    )
    _stage_redirects(ws)
    ws.append(
        IDENTITY_EVENT,
        f"""
        SELECT {literal(ws.run.run_id)} || '|' || kind || '|' || customer_id || '|' || coalesce(other_customer_id, '')
                AS event_id,
            kind, customer_id, other_customer_id, record_count, {now} AS occurred_at
        FROM assigned_change
        """,
    )


def _stage_redirects(ws: Workspace) -> None:
    """Redirect retired ids, and ids redirected to them, to their successors; delete the redirects of reused ids."""
    before = ws.before(REDIRECT)
    now = ws.run.now_sql
    ws.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE new_redirect AS
        WITH gone AS (
            SELECT customer_id, other_customer_id FROM assigned_change WHERE kind IN ('merged', 'retired')
        )
        SELECT customer_id, other_customer_id AS to_customer_id FROM gone
        UNION ALL
        SELECT r.customer_id, g.other_customer_id FROM {before} r JOIN gone g ON g.customer_id = r.to_customer_id
    """)
    ws.stage(
        REDIRECT,
        f"SELECT customer_id, to_customer_id, {now} AS redirected_at FROM new_redirect",
        scope="SELECT customer_id FROM new_redirect UNION SELECT customer_id FROM assigned",
    )
    ws.con.execute("DROP TABLE new_redirect")


def stage_golden(ws: Workspace, clusters: str, *, changed_records: str, trust: Mapping[str, int]) -> None:
    """Stage the golden customers of the region, of changed records, and of records whose parent's customer changed."""
    con = ws.con
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE golden_key AS
        WITH moved AS (SELECT record_id FROM ({ws.changed(XREF)})),
        touched AS (
            SELECT record_id FROM region
            UNION SELECT record_id FROM {changed_records}
            UNION SELECT record_id FROM {CUSTOMER_RECORD.sql_name} r SEMI JOIN moved m
                ON m.record_id = r.parent_record_id
        )
        SELECT customer_id FROM {XREF.sql_name} SEMI JOIN touched USING (record_id)
        UNION SELECT customer_id FROM {ws.before(XREF)} SEMI JOIN touched USING (record_id)
    """)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE golden_record AS
        SELECT r.*, x.customer_id, nullif(p.customer_id, x.customer_id) AS parent_customer_id,
            coalesce(c.cluster_confidence, g.confidence) AS cluster_confidence
        FROM {XREF.sql_name} x
        SEMI JOIN golden_key k ON k.customer_id = x.customer_id
        JOIN {CUSTOMER_RECORD.sql_name} r ON r.record_id = x.record_id
        LEFT JOIN {XREF.sql_name} p ON p.record_id = r.parent_record_id
        LEFT JOIN {clusters} c ON c.record_id = x.record_id
        LEFT JOIN {ws.before(GOLDEN_CUSTOMER)} g ON g.customer_id = x.customer_id
    """)
    ws.stage(GOLDEN_CUSTOMER, golden_sql("golden_record", trust=trust), scope="SELECT customer_id FROM golden_key")
    golden = f"(FROM {GOLDEN_CUSTOMER.sql_name} SEMI JOIN golden_key USING (customer_id))"
    lost = other_values_sql("golden_record", golden)
    ws.stage(OTHER_VALUE, lost, scope="SELECT customer_id FROM golden_key")
    con.execute("DROP TABLE golden_record")
    con.execute("DROP TABLE golden_key")
