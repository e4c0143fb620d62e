"""Set identical rows of a file aside: two of them are resolved, and the others join the cluster of these.

| relation | columns | filled by | dropped by |
|---|---|---|---|
| copy | record_id, kept (the two that stay) | set_copies_aside | the connection |
| copied_record | as `records` | set_copies_aside | the connection |
"""

from __future__ import annotations

import duckdb

from dataflow.resolve.records.copies import kept_sql


def set_copies_aside(con: duckdb.DuckDBPyConnection, records: str, *, unless: str | None = None) -> None:
    """Move match records that have a name and many copies out of the table `records`, all but the first two of each.

    `unless` is a table (record_id_l, record_id_r) of records that stay.
    Shape of the temporary tables: `copy` (record_id, kept: the two that stay), `copied_record` (the records moved out).
    """
    stay = f"WHERE record_id NOT IN (SELECT unnest([record_id_l, record_id_r]) FROM {unless})" if unless else ""
    among = f"(FROM {records} {stay})"
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE copy AS
        SELECT record_id, kept FROM {among} JOIN ({kept_sql(among)}) USING (content)
        WHERE NOT list_contains(kept, record_id)
    """)
    con.execute(f"CREATE OR REPLACE TEMP TABLE copied_record AS FROM {records} SEMI JOIN copy USING (record_id)")
    con.execute(f"DELETE FROM {records} r USING copy c WHERE r.record_id = c.record_id")


def add_copies(con: duckdb.DuckDBPyConnection, found: str) -> None:
    """Add the copies to the clusters `found` (record_id, cluster, confidence, entity_type).

    Each joins the cluster of the two that stayed. Where those two are in different clusters their content was not
    enough to link them, so each copy is alone.
    """
    con.execute(f"""
        INSERT INTO {found}
        SELECT c.record_id, if(is_one, one.cluster, c.record_id), if(is_one, one.confidence, 1), one.entity_type
        FROM copy c
        JOIN {found} one ON one.record_id = c.kept[1]
        JOIN {found} other ON other.record_id = c.kept[2],
        LATERAL (SELECT one.cluster = other.cluster AS is_one)
    """)
