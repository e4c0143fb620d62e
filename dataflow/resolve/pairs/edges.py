"""Compare candidate pairs, and keep those that can be one entity.

| relation | columns | filled by | dropped by |
|---|---|---|---|
| candidate_pair | one, other | find_candidates | find_edges |
| `into` of find_edges | record_id_l, record_id_r, match_weight, match_probability | find_edges | its caller |
"""

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
    """Compare the match records `records`, keep in `into` every pair from the review threshold up; return the count.

    `keys` (record, key, is_new) holds every record of some keys, as numbers: then only pairs that share a key which is
    new to one of the two are compared; by default all candidates are. `spreading` gives from how many pairs on scoring
    is spread over processes, and how.
    Shape: record_id_l, record_id_r, match_weight, match_probability; one row per pair, smaller id left. Returned is the
    number of pairs compared.
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
    """Return `records` with a pushdown condition to those of the table `pairs` (one, other), where it pays."""
    count = con.table(pairs).shape[0]
    if count > MAX_PUSHDOWN_KEYS * MAX_PUSHDOWN_KEYS:
        return records  # so many pairs are of more records than a pushdown condition takes
    # only `records` knows the ids of the numbers: one column of it is read, and none where there are no pairs
    members = is_member(f"SELECT unnest([one, other]) FROM {pairs}")
    named = f"(SELECT record_id FROM {records} WHERE {count} > 0 AND {members})"
    return f"(FROM {records} WHERE {pushdown_condition(con, named, 'record_id')})"
