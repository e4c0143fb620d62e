"""What a run has to look at again: records, blocking keys that changed sides, and the components they are in."""

from __future__ import annotations

import duckdb

from dataflow.resolve.comparisons import EntitySpec
from dataflow.resolve.pairs.candidates import cap_sql
from dataflow.resolve.pairs.numbers import number_of
from dataflow.tables.resolved import EDGE, JUDGED_PAIR, MATCH_RECORD, XREF
from dataflow.workspace.pushdown import pushdown_condition
from dataflow.workspace.workspace import Workspace


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


def mark_keys(ws: Workspace, spec: EntitySpec, *, into: str) -> None:
    """Find who must be compared with whom: the keys that a stale record has or had, and all who hold them.

    Shape of the temporary tables: `into` (record, key, is_new), every record of every such key that is not too common,
    by its number; a pair that shares a key is to be compared where the key is new to one of them, which it is to stale
    records, and to all records of a key that came back under its cap. `key_size` (key, cap, was, now) are all keys,
    `risen_holder` (record, key) the records that are not stale of those that went over their cap.
    """
    con, of_type = ws.con, f"entity_type = '{spec.entity_type}'"
    before = f"SELECT record_id, block_keys FROM {ws.before(MATCH_RECORD)} WHERE {of_type}"
    now = f"SELECT record_id, block_keys FROM {MATCH_RECORD.sql_name} WHERE {of_type}"
    con.execute(f"CREATE OR REPLACE TEMP TABLE holder AS SELECT *, true AS is_new FROM ({_keys_of(con, now)})")
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE stale_key AS
        SELECT key, sum(step) AS step
        FROM (SELECT key, -1 AS step FROM ({_keys_of(con, before)}) UNION ALL SELECT key, 1 FROM holder) GROUP BY key
    """)
    # Every other record is as it was.
    con.execute(f"INSERT INTO holder SELECT *, false AS is_new FROM ({_holders(ws, spec, 'stale_key')})")
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE key_size AS
        SELECT s.key, {cap_sql(spec, "s.key")} AS cap,
            coalesce(n.records, 0) AS now, coalesce(n.records, 0) - s.step AS was
        FROM stale_key s LEFT JOIN (SELECT key, count(*) AS records FROM holder GROUP BY key) n USING (key)
    """)
    # most of what stale records hold are keys of many
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {into} AS
        SELECT record, key, is_new OR was > cap AS is_new FROM holder JOIN key_size USING (key)
        WHERE now BETWEEN 2 AND cap
    """)
    con.execute("""
        CREATE OR REPLACE TEMP TABLE risen_holder AS
        SELECT record, key FROM holder SEMI JOIN (FROM key_size WHERE was <= cap AND now > cap) USING (key)
        WHERE NOT is_new
    """)
    con.execute("DROP TABLE stale_key; DROP TABLE holder")


def find_lost_edges(ws: Workspace, spec: EntitySpec, *, into: str) -> None:
    """Find the stored edges whose records did not change, and share no key any more that is not too common.

    The tables `key_size` and `risen_holder` are those of `mark_keys`, and go. Records that are as they were weigh what
    they weighed: their pairs are not scored again, only those go that are no candidates now.
    Shape of the table `into`: record_id_l, record_id_r.
    """
    con = ws.con
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE suspect AS
        WITH edge AS (
            SELECT record_id_l, record_id_r, {number_of("record_id_l")} AS l, {number_of("record_id_r")} AS r
            FROM {ws.before(EDGE)}
        ),
        held AS (FROM edge SEMI JOIN risen_holder ON record = l SEMI JOIN risen_holder ON record = r)
        SELECT DISTINCT record_id_l, record_id_r FROM held
        JOIN risen_holder one ON one.record = l JOIN risen_holder other ON other.record = r AND other.key = one.key
    """)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE shared_key AS
        WITH member AS (SELECT record_id_l AS record_id FROM suspect UNION SELECT record_id_r FROM suspect),
        known AS (SELECT record_id, block_keys FROM {ws.before(MATCH_RECORD)} SEMI JOIN member USING (record_id))
        SELECT record_id_l, record_id_r, unnest(list_intersect(l.block_keys, r.block_keys)) AS key
        FROM suspect JOIN known l ON l.record_id = record_id_l JOIN known r ON r.record_id = record_id_r
    """)
    held = "SELECT record_id_l, record_id_r FROM shared_key SEMI JOIN {} USING (key)"
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE doubtful AS
        FROM suspect ANTI JOIN ({held.format("(FROM key_size WHERE now <= cap)")}) USING (record_id_l, record_id_r)
    """)
    con.execute("""
        CREATE OR REPLACE TEMP TABLE further_key AS
        SELECT DISTINCT key FROM shared_key SEMI JOIN doubtful USING (record_id_l, record_id_r)
        ANTI JOIN key_size USING (key)
    """)
    small = "SELECT NULL::UBIGINT AS key WHERE false"
    if con.table("further_key").shape[0] > 0:
        holders = _holders(ws, spec, "further_key")
        small = f"SELECT key FROM ({holders}) GROUP BY key HAVING count(*) <= {cap_sql(spec, 'key')}"
    con.execute(f"""
        CREATE OR REPLACE TABLE {into} AS
        FROM doubtful ANTI JOIN ({held.format(f"({small})")}) USING (record_id_l, record_id_r)
    """)
    for table in ("suspect", "shared_key", "doubtful", "further_key", "key_size", "risen_holder"):
        con.execute(f"DROP TABLE {table}")


def _keys_of(con: duckdb.DuckDBPyConnection, records: str) -> str:
    """SELECT of the keys of stale records; chosen before their lists are laid out, which is most of the work."""
    pushdown = pushdown_condition(con, "stale_record", "record_id")
    stale = f"FROM ({records}) SEMI JOIN stale_record USING (record_id) WHERE {pushdown}"
    return f"SELECT {number_of('record_id')} AS record, unnest(block_keys) AS key FROM ({stale})"


def _holders(ws: Workspace, spec: EntitySpec, keys: str) -> str:
    """SELECT of the records that hold one of `keys` and are not stale. It reads all keys of all records.

    IS TRUE keeps the few wanted keys the side that is hashed: the planner takes the lists for short, and was seen to
    hash the keys of all records instead, at three times the work.
    """
    known = f"SELECT record_id, block_keys FROM {ws.before(MATCH_RECORD)} WHERE entity_type = '{spec.entity_type}'"
    others = f"FROM ({known}) ANTI JOIN stale_record USING (record_id)"
    return f"""
        SELECT {number_of("record_id")} AS record, key
        FROM (SELECT record_id, unnest(block_keys) AS key FROM ({others}))
        WHERE (key IN (SELECT key FROM {keys})) IS TRUE
    """


def mark_region(ws: Workspace, link_thresholds: dict[str, float], *, fresh_edges: str) -> None:
    """Fill `region` (record_id): stale and newly judged records and those of staged edges, whoever they were or are
    linked to, and on until nothing is added. `fresh_edges` are the edges that were found.

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
    con.execute("CREATE OR REPLACE TEMP TABLE tie (l UBIGINT, r UBIGINT)")
    for pair in pairs:
        # one by one: of their union DuckDB keeps the order, on a single core
        con.execute(f"INSERT INTO tie SELECT hash(record_id_l), hash(record_id_r) FROM {pair}")
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE customer_tie AS
        SELECT hash(record_id) AS record, hash(customer_id) AS customer FROM {ws.before(XREF)}
    """)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE beginning AS
        FROM stale_record UNION SELECT unnest([record_id_l, record_id_r]) FROM ({ws.changed(JUDGED_PAIR)})
        -- an edge of two that are as they were; a link brings the other along
        UNION SELECT record_id_l FROM ({ws.changed(EDGE)})
        ANTI JOIN stale_record l ON l.record_id = record_id_l ANTI JOIN stale_record r ON r.record_id = record_id_r
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
