"""Compare candidate pairs, and keep those that may be one entity."""

from __future__ import annotations

import duckdb

from dataflow.resolve.comparisons import EntitySpec
from dataflow.resolve.model.model import Epoch
from dataflow.resolve.pairs.candidates import find_candidates
from dataflow.resolve.pairs.chunks import Spreading, score_spread
from dataflow.resolve.pairs.numbers import is_member
from dataflow.resolve.pairs.scoring import score_pairs
from dataflow.workspace.pushdown import MAX_PUSHDOWN_KEYS, pushdown_condition


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
    if count > MAX_PUSHDOWN_KEYS * MAX_PUSHDOWN_KEYS:
        return records  # so many pairs are not of few
    # their names are in the records alone, of which one column is read for it; where there are no pairs, not even that
    members = is_member(f"SELECT unnest([one, other]) FROM {pairs}")
    named = f"(SELECT record_id FROM {records} WHERE {count} > 0 AND {members})"
    return f"(FROM {records} WHERE {pushdown_condition(con, named, 'record_id')})"
