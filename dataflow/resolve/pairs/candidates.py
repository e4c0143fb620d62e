"""Find candidate pairs: records that share a blocking key within its cap.

The candidates depend only on the set of records and not on their order of arrival: a key that grows over its rule's cap
loses its pairs, one that shrinks below it has them again.

Keys are split into parts that fit into a processor's cache, and sorted there as numbers. A join of keys read all of
them several times, and its cost per key rose with their number.

The one table is `into` of find_candidates; its caller drops it.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from concurrent.futures import Future, ThreadPoolExecutor

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataflow.resolve.comparisons import EntitySpec
from dataflow.resolve.pairs.numbers import number_of
from dataflow.resolve.pairs.order import Numbers, in_order, is_first
from dataflow.resolve.records.match_record import RULE_BITS

_BATCH_ROWS = 500_000
"""Records read in one batch, with their keys."""
_KEY_BYTES = 22
"""Memory of a key and its record; all keys together get half of the memory limit."""
_PART_BITS = 10
"""The most bits of a key that choose its part; with the bits of its rule they are the number of the part."""
_KEYS_FOR_A_BIT = 1 << 19
_SAMPLE_RECORDS = 10_000

# two places below 2^32, the smaller one in the high bits
_Pairs = Numbers
_Rows = NDArray[np.uint32]
_HIGH = np.uint64(32)
_LOW = np.uint64((1 << 32) - 1)


def find_candidates(
    con: duckdb.DuckDBPyConnection,
    records: str,
    *,
    spec: EntitySpec,
    into: str,
    keys: str | None = None,
) -> None:
    """Make the temporary table `into`: the pairs of match records `records` that share a key within its cap.

    `keys` (record, key, is_new) holds every record of some keys, as numbers: then only pairs that share a key which is
    new to one of the two are candidates; by default all pairs are.
    Shape: one, other, the numbers of two records (numbers.py), the smaller first; one row per pair.
    """
    con.execute(f"CREATE OR REPLACE TEMP TABLE {into} (one UBIGINT, other UBIGINT)")
    query = (
        f"SELECT {number_of('record_id')} AS record, block_keys AS key FROM {records}"
        if keys is None
        else f"SELECT record, key, is_new FROM {keys}"
    )
    split, shares = _split(con, records, keys)
    for share in range(shares):
        holders = _Holders(con, query, split=split, shares=shares, share=share)
        con.register("candidate_arrow", holders.pairs(spec))
        con.execute(f"INSERT INTO {into} FROM candidate_arrow")
        con.unregister("candidate_arrow")
    if shares > 1:
        con.execute(f"CREATE OR REPLACE TEMP TABLE {into} AS SELECT DISTINCT * FROM {into}")


def cap_sql(spec: EntitySpec, key: str) -> str:
    """Return the SQL of the cap of a key's rule."""
    cases = " ".join(f"WHEN {number} THEN {rule.cap}" for number, rule in enumerate(spec.blocking))
    return f"CASE {key} % {RULE_BITS} {cases} END"


def _split(con: duckdb.DuckDBPyConnection, records: str, keys: str | None) -> tuple[int, int]:
    """Return into how many parts the keys of a rule are split, and in how many passes over a share of them each."""
    if keys is not None:
        count = f"(SELECT count(*) FROM {keys})"
    else:
        of_each = f"SELECT avg(len(block_keys)) FROM (SELECT block_keys FROM {records} LIMIT {_SAMPLE_RECORDS})"
        count = f"(SELECT count(*) FROM {records}) * ({of_each})"
    memory = "parse_formatted_bytes(current_setting('memory_limit')) / 2"
    about, allowed = con.execute(f"SELECT coalesce({count}, 0)::BIGINT, {memory}").fetchall()[0]
    split = 1 << min(_PART_BITS, (about // _KEYS_FOR_A_BIT).bit_length())
    return split, min(split, max(1, math.ceil(about * _KEY_BYTES / allowed)))


class _Holders:
    """The records of each key, in parts. `query` gives record (a number), key (one or a list), optionally is_new."""

    def __init__(self, con: duckdb.DuckDBPyConnection, query: str, *, split: int, shares: int, share: int) -> None:
        records, is_new, rows = [np.empty(0, np.uint64)], [], 0
        self._split, self._shares, self._share = split, shares, share
        self._parts: dict[int, list[tuple[Numbers, _Rows]]] = defaultdict(list)
        dealt: deque[Future[dict[int, tuple[Numbers, _Rows]]]] = deque()
        with ThreadPoolExecutor(2) as both:
            for batch in con.execute(query).to_arrow_reader(_BATCH_ROWS):
                records.append(batch["record"].to_numpy())
                if "is_new" in batch.schema.names:
                    is_new.append(batch["is_new"].to_numpy(zero_copy_only=False))
                dealt.append(both.submit(self._deal, batch["key"], rows))
                rows += batch.num_rows
                if len(dealt) > 2:
                    self._take(dealt.popleft().result())
            for rest in dealt:
                self._take(rest.result())
        self._is_new = np.concatenate(is_new) if is_new else None
        order, ordered = in_order(np.concatenate(records))
        # records that share a number are treated as one
        first = is_first(ordered)
        self._record = ordered[first]
        self._place = np.empty_like(order)
        self._place[order] = np.cumsum(first) - 1

    def _deal(self, held: pa.Array, first_row: int) -> dict[int, tuple[Numbers, _Rows]]:
        """Return the keys of a batch and their rows, by part: the keys of one rule with the same leading bits."""
        if pa.types.is_list(held.type):
            key = held.flatten().to_numpy()
            row = _repeated(held.value_lengths().fill_null(0).to_numpy(), first_row)
        else:
            key = held.to_numpy()
            row = np.arange(first_row, first_row + key.size, dtype=np.uint32)
        begin = (key >> np.uint64(64 - _PART_BITS)).astype(np.uint16) & np.uint16(self._split - 1)
        part = begin * np.uint16(RULE_BITS) | (key & np.uint64(RULE_BITS - 1)).astype(np.uint16)
        if self._shares > 1:
            chosen = begin % self._shares == self._share
            part, key, row = part[chosen], key[chosen], row[chosen]
        by_part = np.argsort(part, kind="stable")
        key, row = key[by_part], row[by_part]
        size = np.bincount(part)
        end = np.cumsum(size)
        slices = {n: slice(end[n] - size[n], end[n]) for n in np.flatnonzero(size).tolist()}
        return {number: (key[own], row[own]) for number, own in slices.items()}

    def _take(self, dealt: dict[int, tuple[Numbers, _Rows]]) -> None:
        for part, held in dealt.items():
            self._parts[part].append(held)

    def pairs(self, spec: EntitySpec) -> pa.Table:
        """Return the pairs of all parts, each pair once. Shape: one, other."""
        with ThreadPoolExecutor(2) as both:
            caps = ((part, spec.blocking[part % RULE_BITS].cap) for part in sorted(self._parts))
            found = list(both.map(lambda part: self._pairs_of(*part), caps))
        pair = np.concatenate([np.empty(0, np.uint64), *found])
        pair.sort()
        pair = pair[is_first(pair)]
        return pa.table({"one": self._record[pair >> _HIGH], "other": self._record[pair & _LOW]})

    def _pairs_of(self, part: int, cap: int) -> _Pairs:
        """Return the pairs that share a key of a part, once for each such key."""
        held = self._parts[part]
        order, key = in_order(np.concatenate([keys for keys, _ in held]))
        row = np.concatenate([rows for _, rows in held])[order]
        first = np.flatnonzero(is_first(key))
        size = np.diff(first, append=key.size)
        counts = np.flatnonzero(np.bincount(size, minlength=2)[: cap + 1])
        found = [self._pairs_among(row[first[size == n][:, None] + np.arange(n)]) for n in counts if n > 1]
        return np.concatenate([np.empty(0, np.uint64), *found])

    def _pairs_among(self, rows: _Rows) -> _Pairs:
        """Return the pairs of distinct records within each line of `rows`, those of which one has the key new."""
        left, right = np.triu_indices(rows.shape[1], k=1)
        place = self._place[rows].astype(np.uint64)
        one, other = place[:, left], place[:, right]
        chosen = one != other
        if self._is_new is not None:
            is_new = self._is_new[rows]
            chosen &= is_new[:, left] | is_new[:, right]
        pairs: _Pairs = (np.minimum(one, other) << _HIGH | np.maximum(one, other))[chosen]
        return pairs


def _repeated(counts: NDArray[np.int32], first: int) -> _Rows:
    """Repeat the numbers from `first` on, each `counts` times, in a quarter of the time of numpy's repeat."""
    ends = np.cumsum(counts)
    step = np.zeros(int(counts.sum()) + 1, np.uint32)
    np.add.at(step, ends, np.uint32(1))
    step[0] += np.uint32(first)
    return np.cumsum(step[:-1], dtype=np.uint32)
