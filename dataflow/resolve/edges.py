"""Find candidate pairs on blocking keys, and keep those that may be one entity.

Which pairs are candidates is a function of the set of records, never of the order in which they came: a key that
grows over its rule's cap takes its pairs with it, one that shrinks gives them back.
"""

from __future__ import annotations

import duckdb

from dataflow.few import FEW, if_few
from dataflow.resolve.chunks import Spreading, score_spread
from dataflow.resolve.match_record import RULE_BITS
from dataflow.resolve.model import Epoch
from dataflow.resolve.pairs import is_member, number_of
from dataflow.resolve.scoring import score_pairs
from dataflow.resolve.spec import EntitySpec


def find_edges(
    con: duckdb.DuckDBPyConnection,
    records: str,
    *,
    epoch: Epoch,
    spec: EntitySpec,
    into: str,
    keys: str | None = None,
    spreading: Spreading | None = None,
) -> int:
    """Compare the match records `records` and keep in `into` every pair from the review threshold up.

    `keys` (record, key, is_new) holds every record of some keys, each by its number: only pairs that share one
    which is new to one of them are compared; by default all pairs are. `spreading` says how many pairs are scored
    elsewhere, and how.
    Returns how many pairs were compared.
    Shape: record_id_l, record_id_r, match_weight, match_probability; one row per pair, smaller id left.
    """
    find_candidates(con, records, spec=spec, into="candidate_pair", keys=keys)
    compared = con.table("candidate_pair").shape[0]
    records = records_in_pairs(con, records, "candidate_pair")
    if spreading is not None and compared >= spreading.from_pairs:
        score_spread(con, "candidate_pair", records, epoch, into=into, spreading=spreading)
    else:
        score_pairs(con, "candidate_pair", records, epoch, spec=spec, into=into, threshold=epoch.review_threshold)
    con.execute("DROP TABLE candidate_pair")
    return compared


def records_in_pairs(con: duckdb.DuckDBPyConnection, records: str, pairs: str) -> str:
    """`records`, without those that are in none of the table `pairs` (one, other) where these are few."""
    count = con.table(pairs).shape[0]
    if count > FEW * FEW:
        return records  # so many pairs are not of few
    # their names are in the records alone, of which one column is read for it; where there are no pairs, not even that
    members = is_member(f"SELECT unnest([one, other]) FROM {pairs}")
    named = f"(SELECT record_id FROM {records} WHERE {count} > 0 AND {members})"
    return f"(FROM {records} WHERE {if_few(con, named, 'record_id')})"


def find_candidates(
    con: duckdb.DuckDBPyConnection,
    records: str,
    *,
    spec: EntitySpec,
    into: str,
    keys: str | None = None,
) -> None:
    """Make the temporary table `into` of pairs that share a key that is not too common.

    Shape: one, other, the numbers of two records (pairs.py), the smaller first; one row per pair.
    """
    con.execute(f"CREATE OR REPLACE TEMP TABLE {into} AS {candidates_sql(records, spec, keys=keys)}")


def candidates_sql(records: str, spec: EntitySpec, *, keys: str | None = None) -> str:
    """SELECT of the candidate pairs."""
    every = (
        f"SELECT {number_of('record_id')} AS record, unnest(block_keys) AS key, true AS is_new FROM {records}"
        if keys is None
        else f"SELECT record, key, is_new FROM {keys}"
    )
    return f"""
        WITH every AS ({every}),
        useful AS (SELECT key FROM every GROUP BY key HAVING count(*) BETWEEN 2 AND {cap_sql(spec, "key")}),
        kept AS (FROM every SEMI JOIN useful USING (key))
        SELECT DISTINCT l.record AS one, r.record AS other FROM kept l JOIN kept r ON l.key = r.key
        WHERE l.record < r.record AND (l.is_new OR r.is_new)
    """


def cap_sql(spec: EntitySpec, key: str) -> str:
    """The cap of a key's rule."""
    cases = " ".join(f"WHEN {number} THEN {rule.cap}" for number, rule in enumerate(spec.blocking))
    return f"CASE {key} % {RULE_BITS} {cases} END"
