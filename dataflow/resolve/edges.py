"""Find candidate pairs on blocking keys, and keep those that may be one entity.

Which pairs are candidates is a function of the set of records, never of the order in which they came: a key that
grows over its rule's cap takes its pairs with it, one that shrinks gives them back.
"""

from __future__ import annotations

import duckdb

from dataflow.resolve.match_record import RULE_BITS
from dataflow.resolve.model import Epoch
from dataflow.resolve.scoring import score_pairs
from dataflow.resolve.spec import EntitySpec


def find_edges(
    con: duckdb.DuckDBPyConnection, new: str, existing: str | None, *, epoch: Epoch, spec: EntitySpec, into: str
) -> int:
    """Compare `new` with `existing` and within itself; keep in `into` every pair from the review threshold up.

    Both are tables of match records, with no record in both. Returns how many pairs were compared.
    Shape: record_id_l, record_id_r, match_weight, match_probability; one row per pair, smaller id left.
    """
    find_candidates(con, new, existing, spec=spec, into="candidate_pair")
    compared = con.table("candidate_pair").shape[0]
    universe = new if existing is None else f"(SELECT * FROM {new} UNION ALL BY NAME SELECT * FROM {existing})"
    score_pairs(con, "candidate_pair", universe, epoch, spec=spec, into=into, threshold=epoch.review_threshold)
    con.execute("DROP TABLE candidate_pair")
    return compared


def find_candidates(
    con: duckdb.DuckDBPyConnection, new: str, existing: str | None, *, spec: EntitySpec, into: str
) -> None:
    """Make the temporary table `into` (record_id_l, record_id_r) of pairs that share a key that is not too common."""
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE candidate_key AS
        SELECT record_id, unnest(block_keys) AS key, true AS is_new FROM {new}
    """)
    if existing is not None:
        con.execute(f"""
            INSERT INTO candidate_key
            SELECT e.record_id, e.key, false FROM (SELECT record_id, unnest(block_keys) AS key FROM {existing}) e
            SEMI JOIN (SELECT DISTINCT key FROM candidate_key) n ON n.key = e.key
        """)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {into} AS
        WITH useful AS (
            SELECT key FROM candidate_key GROUP BY key HAVING count(*) BETWEEN 2 AND {cap_sql(spec, "key")}
        ),
        kept AS (SELECT k.* FROM candidate_key k SEMI JOIN useful u ON u.key = k.key)
        SELECT DISTINCT l.record_id AS record_id_l, r.record_id AS record_id_r
        FROM kept l JOIN kept r ON l.key = r.key AND l.record_id < r.record_id
        WHERE l.is_new OR r.is_new
    """)
    con.execute("DROP TABLE candidate_key")


def cap_sql(spec: EntitySpec, key: str) -> str:
    """The cap of a key's rule."""
    cases = " ".join(f"WHEN {number} THEN {rule.cap}" for number, rule in enumerate(spec.blocking))
    return f"CASE {key} % {RULE_BITS} {cases} END"
