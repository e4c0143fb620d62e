"""What a run has to look at again: records, blocking keys that changed sides, and the components they are in."""

from __future__ import annotations

from dataflow.resolve.edges import cap_sql
from dataflow.resolve.spec import EntitySpec
from dataflow.tables.resolved import EDGE, JUDGED_PAIR, MATCH_RECORD, XREF
from dataflow.workspace import Workspace


def mark_stale(ws: Workspace, *, whole_types: set[str]) -> None:
    """Fill `stale_record` (record_id): records whose match record changed, and every record of a type whose model is
    new. Their edges must be found anew, or are gone."""
    ws.con.execute(f"""
        CREATE OR REPLACE TABLE work.main.stale_record AS
        SELECT DISTINCT record_id FROM ({ws.changed(MATCH_RECORD)})
    """)
    for entity_type in sorted(whole_types):
        ws.con.execute(f"""
            INSERT INTO stale_record
            SELECT record_id FROM {MATCH_RECORD.sql_name} m
            WHERE entity_type = '{entity_type}' AND record_id NOT IN (SELECT record_id FROM stale_record)
        """)


def mark_crossed_keys(ws: Workspace, spec: EntitySpec, *, into: str) -> None:
    """Add to `stale_record` the records that share a blocking key which went over its cap, or came back under it.

    Makes the temporary table `into` (record_id, key): every record of every key that a stale record has or had. The
    keys of all records are read once for both, which at millions of records is what an increment costs.
    """
    con, of_type = ws.con, f"entity_type = '{spec.entity_type}'"
    before = f"SELECT record_id, block_keys FROM {ws.before(MATCH_RECORD)} WHERE {of_type}"
    now = f"SELECT record_id, block_keys FROM {MATCH_RECORD.sql_name} WHERE {of_type}"
    con.execute(f"CREATE OR REPLACE TEMP TABLE {into} AS {_keys_of(now, 'stale_record')}")
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE stale_key AS
        WITH was AS ({_keys_of(before, "stale_record")})
        SELECT key, sum(step) AS step
        FROM (SELECT key, -1 AS step FROM was UNION ALL SELECT key, 1 FROM {into}) GROUP BY key
    """)
    # Every other record is as it was. IS TRUE keeps the few wanted keys the side that is hashed: the planner takes the
    # lists for short, and was seen to hash the keys of all records instead, at three times the work.
    other = f"""
        SELECT record_id, key FROM (SELECT record_id, unnest(block_keys) AS key FROM ({before}))
        WHERE (key IN (SELECT key FROM {{}})) IS TRUE AND record_id NOT IN (SELECT record_id FROM stale_record)
    """
    con.execute(f"INSERT INTO {into} {other.format('stale_key')}")
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE crossed_record AS
        WITH size AS (
            SELECT s.key, coalesce(n.records, 0) AS now, coalesce(n.records, 0) - s.step AS was
            FROM stale_key s LEFT JOIN (SELECT key, count(*) AS records FROM {into} GROUP BY key) n USING (key)
            WHERE s.step <> 0
        ),
        crossed AS (
            SELECT key FROM size WHERE (now <= {cap_sql(spec, "key")}) <> (was <= {cap_sql(spec, "key")})
        )
        SELECT DISTINCT record_id FROM {into} SEMI JOIN crossed USING (key)
        WHERE record_id NOT IN (SELECT record_id FROM stale_record)
    """)
    if con.table("crossed_record").shape[0] > 0:
        con.execute(f"""
            CREATE OR REPLACE TEMP TABLE further_key AS
            SELECT DISTINCT key FROM ({_keys_of(before, "crossed_record")}) ANTI JOIN stale_key USING (key)
        """)
        con.execute(f"INSERT INTO {into} {other.format('further_key')}")
        con.execute("INSERT INTO stale_record FROM crossed_record")
        con.execute("DROP TABLE further_key")
    for table in ("stale_key", "crossed_record"):
        con.execute(f"DROP TABLE {table}")


def _keys_of(records: str, chosen: str) -> str:
    """SELECT of the keys of chosen records; chosen before their lists are laid out, which is most of the work."""
    return f"SELECT record_id, unnest(block_keys) AS key FROM (FROM ({records}) SEMI JOIN {chosen} USING (record_id))"


def mark_region(ws: Workspace, link_thresholds: dict[str, float], *, fresh_edges: str) -> None:
    """Fill `region` (record_id): stale and newly judged records, whoever they were or are linked to, and on until
    nothing is added. `fresh_edges` are the edges of stale records as they are now.

    A component outside it holds no changed record, edge or judgement, so its clusters are as they were. Gone records
    are in the region too.
    """
    cases = " ".join(f"WHEN '{kind}' THEN {threshold}" for kind, threshold in sorted(link_thresholds.items()))
    linked = f"WHERE match_probability >= CASE entity_type {cases} ELSE 1 END"
    agreed = "WHERE verdict = 'same' AND NOT is_contradicted"
    con = ws.con
    pairs = (
        f"{ws.before(EDGE)} {linked}",
        f"{fresh_edges} {linked}",
        *(f"{table} {agreed}" for table in (JUDGED_PAIR.sql_name, ws.before(JUDGED_PAIR))),
    )
    # Read once and kept as numbers: the steps go over all of them again and again, and there may be tens of millions.
    # Two records of one number only make the region larger than it need be.
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE tie AS
        {" UNION ALL ".join(f"SELECT hash(record_id_l) AS l, hash(record_id_r) AS r FROM {pair}" for pair in pairs)}
    """)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE customer_tie AS
        SELECT hash(record_id) AS record, hash(customer_id) AS customer FROM {ws.before(XREF)}
    """)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE beginning AS
        FROM stale_record UNION SELECT unnest([record_id_l, record_id_r]) FROM ({ws.changed(JUDGED_PAIR)})
    """)
    con.execute("CREATE OR REPLACE TEMP TABLE inside AS SELECT DISTINCT hash(record_id) AS record FROM beginning")
    con.execute("CREATE OR REPLACE TEMP TABLE frontier AS FROM inside")
    while con.table("frontier").shape[0] > 0:
        con.execute("""
            CREATE OR REPLACE TEMP TABLE reached AS
            WITH met AS (SELECT customer FROM customer_tie SEMI JOIN frontier USING (record)),
            step AS (
                SELECT r AS record FROM tie SEMI JOIN frontier ON frontier.record = tie.l
                UNION SELECT l FROM tie SEMI JOIN frontier ON frontier.record = tie.r
                UNION SELECT record FROM customer_tie SEMI JOIN met USING (customer)
            )
            FROM step ANTI JOIN inside USING (record)
        """)
        con.execute("INSERT INTO inside FROM reached")
        con.execute("CREATE OR REPLACE TEMP TABLE frontier AS FROM reached")
    con.execute(f"""
        CREATE OR REPLACE TABLE work.main.region AS
        WITH present AS (
            SELECT record_id FROM {ws.before(XREF)} UNION ALL FROM beginning
        )
        SELECT DISTINCT record_id FROM present SEMI JOIN inside ON inside.record = hash(record_id)
    """)
    for table in ("reached", "frontier", "inside", "beginning", "tie", "customer_tie"):
        con.execute(f"DROP TABLE IF EXISTS {table}")


def mark_everything(ws: Workspace) -> None:
    """Fill `region` with every record there is or was."""
    ws.con.execute(f"""
        CREATE OR REPLACE TABLE work.main.region AS
        SELECT record_id FROM {MATCH_RECORD.sql_name} UNION SELECT record_id FROM {ws.before(XREF)}
        UNION SELECT record_id FROM stale_record
    """)
