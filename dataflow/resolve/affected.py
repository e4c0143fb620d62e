"""Find what a run has to look at again: changed records, blocking keys that crossed their cap, and their components.

`record` is the number of a record (pairs/numbers.py) where it stands beside a `key`, else the hash of its id.

| relation | columns | filled by | dropped by |
|---|---|---|---|
| stale_record | record_id | mark_stale | resolve.step |
| stale_key | key, step | mark_keys | mark_keys |
| holder | record, key, is_new | mark_keys | mark_keys |
| key_size | key, cap, was, now | mark_keys | find_lost_edges |
| risen_holder | record, key | mark_keys | find_lost_edges |
| `into` of mark_keys | record, key, is_new | mark_keys | its caller |
| suspect | record_id_l, record_id_r | _find_suspects | find_lost_edges |
| shared_key | record_id_l, record_id_r, key | _find_suspects | find_lost_edges |
| doubtful | record_id_l, record_id_r | find_lost_edges | find_lost_edges |
| further_key | key | find_lost_edges | find_lost_edges |
| `into` of find_lost_edges | record_id_l, record_id_r | find_lost_edges | its caller |
| tie | l, r | _collect_ties | mark_region |
| customer_tie | record, customer | _collect_ties | mark_region |
| beginning | record_id | mark_region | mark_region |
| inside | record | _reach | mark_region |
| frontier, reached | record | _reach | mark_region |
| region | record_id | mark_region, mark_everything | resolve.step |
"""

from __future__ import annotations

from typing import Any

import duckdb

from dataflow.resolve.comparisons import EntitySpec
from dataflow.resolve.customers.present_ids import AS_IT_IS
from dataflow.resolve.pairs.candidates import cap_sql
from dataflow.resolve.pairs.numbers import number_of
from dataflow.resolve.records.match_record import RULE_BITS
from dataflow.tables.resolved import EDGE, JUDGED_PAIR, MATCH_RECORD, XREF
from dataflow.workspace.pushdown import pushdown_condition
from dataflow.workspace.workspace import Workspace


def mark_stale(ws: Workspace, *, whole_types: set[str]) -> None:
    """Fill `stale_record`: records whose match record changed, and every record of the types `whole_types`.

    The model of a whole type is new. The edges of stale records are found again; those not found are deleted.
    """
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
    """Find the records to compare: those that hold a key which a stale record holds or held.

    Shape of the temporary tables: `into` (record, key, is_new), every record of each such key within its cap; a pair
    that shares a key is compared where the key is new to one of the two. A key is new to stale records, and to all its
    records where it returned below its cap. `key_size` (key, cap, was, now): every such key and its record counts.
    `risen_holder` (record, key): the records that are not stale, of the keys that went over their cap.
    """
    con, of_type = ws.con, f"entity_type = '{spec.entity_type}' AND is_copy IS NOT TRUE"
    before = f"SELECT record_id, block_keys FROM {ws.before(MATCH_RECORD)} WHERE {of_type}"
    now = f"SELECT record_id, block_keys FROM {MATCH_RECORD.sql_name} WHERE {of_type}"
    con.execute(f"CREATE OR REPLACE TEMP TABLE holder AS SELECT *, true AS is_new FROM ({_keys_of(con, now)})")
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE stale_key AS
        SELECT key, sum(step) AS step
        FROM (SELECT key, -1 AS step FROM ({_keys_of(con, before)}) UNION ALL SELECT key, 1 FROM holder) GROUP BY key
    """)
    con.execute(f"INSERT INTO holder SELECT *, false AS is_new FROM ({_holders(ws, spec, 'stale_key')})")
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE key_size AS
        SELECT s.key, {cap_sql(spec, "s.key")} AS cap,
            coalesce(n.records, 0) AS now, coalesce(n.records, 0) - s.step AS was
        FROM stale_key s LEFT JOIN (SELECT key, count(*) AS records FROM holder GROUP BY key) n USING (key)
    """)
    # most rows of `holder` are of keys over their cap: they are dropped here
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
    _drop(con, "stale_key", "holder")


def count_crowded(con: duckdb.DuckDBPyConnection, spec: EntitySpec) -> list[list[Any]]:
    """Count the keys over their cap among those of stale records. Reads `key_size` of `mark_keys`.

    Shape: [entity type, blocking rule, keys, records of the largest key].
    """
    rows = con.execute(f"""
        SELECT key % {RULE_BITS} AS rule, count(*), max(now) FROM key_size WHERE now > cap GROUP BY rule ORDER BY rule
    """).fetchall()
    return [[spec.entity_type, spec.blocking[rule].name, keys, most] for rule, keys, most in rows]


def find_lost_edges(ws: Workspace, spec: EntitySpec, *, into: str) -> None:
    """Find the stored edges of unchanged records that no longer share a key within its cap.

    Pairs of unchanged records keep their score: none is scored again, and only those are deleted that are no longer
    candidate pairs. Reads and drops `key_size` and `risen_holder` of `mark_keys`.
    Shape of the table `into`: record_id_l, record_id_r.
    """
    con = ws.con
    _find_suspects(ws)
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
    _drop(con, "suspect", "shared_key", "doubtful", "further_key", "key_size", "risen_holder")


def _find_suspects(ws: Workspace) -> None:
    """Fill `suspect`, the stored edges whose records share a key that went over its cap, and their `shared_key`."""
    ws.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE suspect AS
        WITH edge AS (
            SELECT record_id_l, record_id_r, {number_of("record_id_l")} AS l, {number_of("record_id_r")} AS r
            FROM {ws.before(EDGE)}
        ),
        held AS (FROM edge SEMI JOIN risen_holder ON record = l SEMI JOIN risen_holder ON record = r)
        SELECT DISTINCT record_id_l, record_id_r FROM held
        JOIN risen_holder one ON one.record = l JOIN risen_holder other ON other.record = r AND other.key = one.key
    """)
    ws.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE shared_key AS
        WITH member AS (SELECT record_id_l AS record_id FROM suspect UNION SELECT record_id_r FROM suspect),
        known AS (SELECT record_id, block_keys FROM {ws.before(MATCH_RECORD)} SEMI JOIN member USING (record_id))
        SELECT record_id_l, record_id_r, unnest(list_intersect(l.block_keys, r.block_keys)) AS key
        FROM suspect JOIN known l ON l.record_id = record_id_l JOIN known r ON r.record_id = record_id_r
    """)


def _keys_of(con: duckdb.DuckDBPyConnection, records: str) -> str:
    """Return the SELECT of the keys of stale records; it filters before unnesting, which is most of the work."""
    pushdown = pushdown_condition(con, "stale_record", "record_id")
    stale = f"FROM ({records}) SEMI JOIN stale_record USING (record_id) WHERE {pushdown}"
    return f"SELECT {number_of('record_id')} AS record, unnest(block_keys) AS key FROM ({stale})"


def _holders(ws: Workspace, spec: EntitySpec, keys: str) -> str:
    """Return the SELECT of the records that hold one of `keys` and are not stale. It reads all keys of all records.

    IS TRUE makes the wanted keys the hashed side of the join: without it the planner underestimated the lists and
    hashed the keys of all records, at three times the work.
    """
    of_type = f"entity_type = '{spec.entity_type}' AND is_copy IS NOT TRUE"
    known = f"SELECT record_id, block_keys FROM {ws.before(MATCH_RECORD)} WHERE {of_type}"
    others = f"FROM ({known}) ANTI JOIN stale_record USING (record_id)"
    return f"""
        SELECT {number_of("record_id")} AS record, key
        FROM (SELECT record_id, unnest(block_keys) AS key FROM ({others}))
        WHERE (key IN (SELECT key FROM {keys})) IS TRUE
    """


def mark_region(
    ws: Workspace, link_thresholds: dict[str, float], *, fresh_edges: str, present_id: str = AS_IT_IS
) -> None:
    """Fill `region` with all records whose cluster can change, deleted records included.

    It starts from the stale and newly judged records and those of the new edges `fresh_edges`, and follows links,
    judgements and customers, old and new, until nothing is added; a record that is gone under a former id leads to its
    `present_id`. A component outside the region holds no changed
    record, edge or judgement, so its clusters stay.
    """
    con = ws.con
    _collect_ties(ws, link_thresholds, fresh_edges=fresh_edges)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE beginning AS
        FROM stale_record UNION SELECT unnest([record_id_l, record_id_r]) FROM ({ws.changed(JUDGED_PAIR)})
        -- of a changed edge between unchanged records one end is enough: a link brings the other
        UNION SELECT record_id_l FROM ({ws.changed(EDGE)})
        ANTI JOIN stale_record l ON l.record_id = record_id_l ANTI JOIN stale_record r ON r.record_id = record_id_r
    """)
    if present_id != AS_IT_IS:
        con.execute(f"""
            INSERT INTO beginning SELECT {present_id} FROM stale_record
            ANTI JOIN {MATCH_RECORD.sql_name} m USING (record_id) WHERE {present_id} <> record_id
        """)
    _reach(con)
    con.execute(f"""
        CREATE OR REPLACE TABLE work.main.region AS
        WITH present AS (
            SELECT record_id FROM {ws.before(XREF)} UNION ALL FROM beginning
        )
        SELECT DISTINCT record_id FROM present SEMI JOIN inside ON inside.record = hash(record_id)
    """)
    _drop(con, "reached", "frontier", "inside", "beginning", "tie", "customer_tie")


def _collect_ties(ws: Workspace, link_thresholds: dict[str, float], *, fresh_edges: str) -> None:
    """Fill `tie` with links, `same` judgements and copies before and after, `customer_tie` with the crosswalk before.

    The search reads them once per step and they can be tens of millions, so they are read once and kept as hashes. A
    collision only makes the region larger.
    """
    cases = " ".join(f"WHEN '{kind}' THEN {threshold}" for kind, threshold in sorted(link_thresholds.items()))
    linked = f"WHERE match_probability >= CASE entity_type {cases} ELSE 1 END"
    agreed = "WHERE verdict = 'same' AND NOT is_contradicted"
    pairs = (
        f"{ws.before(EDGE)} {linked}",
        f"{fresh_edges} {linked}",
        *(f"{table} {agreed}" for table in (JUDGED_PAIR.sql_name, ws.before(JUDGED_PAIR))),
    )
    ws.con.execute("CREATE OR REPLACE TEMP TABLE tie (l UBIGINT, r UBIGINT)")
    for pair in pairs:
        # one by one: DuckDB keeps the order of a union, and so computes it on one core
        ws.con.execute(f"INSERT INTO tie SELECT hash(record_id_l), hash(record_id_r) FROM {pair}")
    for records in (MATCH_RECORD.sql_name, ws.before(MATCH_RECORD)):
        # copies and the two that they are copies of meet in their content
        copied = f"SELECT content FROM {records} WHERE is_copy"
        ws.con.execute(f"INSERT INTO tie SELECT hash(record_id), content FROM {records} WHERE content IN ({copied})")
    ws.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE customer_tie AS
        SELECT hash(record_id) AS record, hash(customer_id) AS customer FROM {ws.before(XREF)}
    """)


def _reach(con: duckdb.DuckDBPyConnection) -> None:
    """Fill `inside` with every record that ties connect to one of `beginning`, breadth first."""
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


def mark_everything(ws: Workspace) -> None:
    """Fill `region` with every record of the lake, present or deleted by this run."""
    ws.con.execute(f"""
        CREATE OR REPLACE TABLE work.main.region AS
        SELECT record_id FROM {MATCH_RECORD.sql_name} UNION SELECT record_id FROM {ws.before(XREF)}
        UNION SELECT record_id FROM stale_record
    """)


def _drop(con: duckdb.DuckDBPyConnection, *tables: str) -> None:
    for table in tables:
        con.execute(f"DROP TABLE IF EXISTS {table}")
