"""What a run has to look at again: records, blocking keys that changed sides, and the components they are in."""

from __future__ import annotations

from dataflow.resolve.edges import cap_sql
from dataflow.resolve.spec import EntitySpec
from dataflow.tables.resolved import EDGE, JUDGED_PAIR, MATCH_RECORD, XREF
from dataflow.workspace import Workspace


def mark_stale(ws: Workspace, specs: tuple[EntitySpec, ...], *, whole_types: set[str]) -> None:
    """Fill `stale_record` (record_id): records whose edges must be found anew, or are gone.

    Those are the records whose match record changed, every record of a type whose model is new, and the records that
    share a blocking key which went over its cap, or came back under it.
    """
    con = ws.con
    con.execute(f"""
        CREATE OR REPLACE TABLE work.main.stale_record AS
        SELECT DISTINCT record_id FROM ({ws.changed(MATCH_RECORD)})
    """)
    for entity_type in sorted(whole_types):
        con.execute(f"""
            INSERT INTO stale_record
            SELECT record_id FROM {MATCH_RECORD.sql_name} m
            WHERE entity_type = '{entity_type}' AND record_id NOT IN (SELECT record_id FROM stale_record)
        """)
    for spec in specs:
        if spec.entity_type not in whole_types:
            _mark_crossed_keys(ws, spec)


def _mark_crossed_keys(ws: Workspace, spec: EntitySpec) -> None:
    of_type = f"entity_type = '{spec.entity_type}'"
    ws.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE moved_key AS
        WITH was AS (
            SELECT unnest(block_keys) AS key, -1 AS step
            FROM {ws.before(MATCH_RECORD)} SEMI JOIN stale_record USING (record_id) WHERE {of_type}
        ),
        is_now AS (
            SELECT unnest(block_keys) AS key, 1 AS step
            FROM {MATCH_RECORD.sql_name} SEMI JOIN stale_record USING (record_id) WHERE {of_type}
        )
        SELECT key, sum(step) AS step FROM (FROM was UNION ALL FROM is_now) GROUP BY key HAVING sum(step) <> 0
    """)
    ws.con.execute(f"""
        INSERT INTO stale_record
        WITH member AS (
            SELECT record_id, key FROM (
                SELECT record_id, unnest(block_keys) AS key FROM {MATCH_RECORD.sql_name} WHERE {of_type}
            ) SEMI JOIN moved_key USING (key)
        ),
        size AS (
            SELECT m.key, coalesce(n.records, 0) AS now, coalesce(n.records, 0) - m.step AS was
            FROM moved_key m LEFT JOIN (SELECT key, count(*) AS records FROM member GROUP BY key) n USING (key)
        ),
        crossed AS (
            SELECT key FROM size WHERE (now <= {cap_sql(spec, "key")}) <> (was <= {cap_sql(spec, "key")})
        )
        SELECT DISTINCT record_id FROM member SEMI JOIN crossed USING (key)
        WHERE record_id NOT IN (SELECT record_id FROM stale_record)
    """)
    ws.con.execute("DROP TABLE moved_key")


def mark_region(ws: Workspace, link_thresholds: dict[str, float]) -> None:
    """Fill `region` (record_id): stale and newly judged records, whoever they were or are linked to, and on until
    nothing is added.

    A component outside it holds no changed record, edge or judgement, so its clusters are as they were. Gone records
    are in the region too.
    """
    cases = " ".join(f"WHEN '{kind}' THEN {threshold}" for kind, threshold in sorted(link_thresholds.items()))
    linked = f"match_probability >= CASE entity_type {cases} ELSE 1 END"
    con = ws.con
    # Read once, both ways round: the steps go over them again and again.
    ways = "(VALUES (record_id_l, record_id_r), (record_id_r, record_id_l)) way(record_id, other)"
    edges = " UNION ALL ".join(
        f"SELECT record_id_l, record_id_r FROM {table} WHERE {linked}" for table in (EDGE.sql_name, ws.before(EDGE))
    )
    said = " UNION ALL ".join(
        f"SELECT record_id_l, record_id_r FROM {table} WHERE verdict = 'same' AND NOT is_contradicted"
        for table in (JUDGED_PAIR.sql_name, ws.before(JUDGED_PAIR))
    )
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE tie AS
        SELECT way.record_id, way.other FROM ({edges} UNION ALL {said}), {ways}
    """)
    con.execute(f"CREATE OR REPLACE TEMP TABLE customer_tie AS SELECT record_id, customer_id FROM {ws.before(XREF)}")
    con.execute(f"""
        CREATE OR REPLACE TABLE work.main.region AS
        FROM stale_record UNION SELECT unnest([record_id_l, record_id_r]) FROM ({ws.changed(JUDGED_PAIR)})
    """)
    con.execute("CREATE OR REPLACE TEMP TABLE frontier AS FROM region")
    while True:
        con.execute("""
            CREATE OR REPLACE TEMP TABLE reached AS
            WITH step AS (
                SELECT other AS record_id FROM tie SEMI JOIN frontier USING (record_id)
                UNION SELECT record_id FROM customer_tie SEMI JOIN (
                    SELECT customer_id FROM customer_tie SEMI JOIN frontier USING (record_id)) USING (customer_id)
            )
            SELECT record_id FROM step ANTI JOIN region USING (record_id)
        """)
        if con.table("reached").shape[0] == 0:
            break
        con.execute("INSERT INTO region FROM reached")
        con.execute("CREATE OR REPLACE TEMP TABLE frontier AS FROM reached")
    for table in ("reached", "frontier", "tie", "customer_tie"):
        con.execute(f"DROP TABLE {table}")


def mark_everything(ws: Workspace) -> None:
    """Fill `region` with every record there is or was."""
    ws.con.execute(f"""
        CREATE OR REPLACE TABLE work.main.region AS
        SELECT record_id FROM {MATCH_RECORD.sql_name} UNION SELECT record_id FROM {ws.before(XREF)}
        UNION SELECT record_id FROM stale_record
    """)
