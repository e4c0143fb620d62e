"""Choose the pairs whose judgements improve the next model most: near the threshold, and unlike those judged."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from dataflow.errors import UsageError
from dataflow.govern.review.pairs import IN_LAKE
from dataflow.govern.review.review import ReviewPair, value_pairs
from dataflow.resolve.judgements.explain import Pair, level_patterns, usable_epochs
from dataflow.resolve.judgements.messages import JudgementsNow
from dataflow.tables.resolved import EDGE, JUDGED_PAIR
from lakehouse.table import timestamp_literal

NEAREST = 2_000
"""Pairs nearest to the threshold that are considered: the levels of each have to be computed."""


@dataclass(frozen=True)
class Candidate:
    """A pair without a judgement, the distance of its weight from the threshold, and its levels."""

    pair: Pair
    distance: float
    pattern: tuple[int, ...]


def list_for_training(
    con: duckdb.DuckDBPyConnection, *, now: datetime, limit: int = 50, judgements: JudgementsNow = IN_LAKE
) -> list[ReviewPair]:
    """List the most useful pairs, spread over the patterns of levels; best first. Raises: UsageError."""
    nearest = _nearest(con, judgements)
    judged = _judged(con)
    patterns = level_patterns(con, [*(pair for pair, _ in nearest), *judged])
    candidates = [Candidate(pair, distance, patterns[pair]) for pair, distance in nearest if pair in patterns]
    chosen = choose(candidates, Counter(patterns[pair] for pair in judged if pair in patterns), limit=limit)
    return _listed(con, chosen, now=now)


def choose(candidates: Sequence[Candidate], judged: Mapping[tuple[int, ...], int], *, limit: int) -> list[Pair]:
    """Choose pairs one by one; the value of a pattern falls with each of its pairs that is judged or chosen.

    The value of a pair is its nearness to the threshold times the number of pairs of its pattern (in powers of two),
    divided by the number of those judged or chosen already.
    """
    many = Counter(candidate.pattern for candidate in candidates)
    answered = Counter(judged)

    def worth(candidate: Candidate) -> float:
        nearness = math.exp2(-abs(candidate.distance))
        return nearness * (1 + many[candidate.pattern].bit_length()) / (1 + answered[candidate.pattern])

    heap = [(-worth(candidate), candidate.pair, place) for place, candidate in enumerate(candidates)]
    heapq.heapify(heap)
    chosen: list[Pair] = []
    while heap and len(chosen) < limit:
        value, pair, place = heapq.heappop(heap)
        now_worth = worth(candidates[place])
        if now_worth < -value:  # others of its pattern were chosen since: it is pushed back with its new value
            heapq.heappush(heap, (-now_worth, pair, place))
            continue
        chosen.append(pair)
        answered[candidates[place].pattern] += 1
    return chosen


def _nearest(con: duckdb.DuckDBPyConnection, judgements: JudgementsNow) -> list[tuple[Pair, float]]:
    thresholds = " ".join(f"WHEN '{kind}' THEN {epoch.link_threshold}" for kind, epoch in usable_epochs(con).items())
    if not thresholds:
        raise UsageError(
            "The lake has no model of this version of DataFlow yet.", next_move="Run `dataflow run` first."
        )
    link = f"CASE entity_type {thresholds} END"
    rows = con.execute(f"""
        SELECT record_id_l, record_id_r, match_weight - log2({link} / (1 - {link})) AS distance
        FROM {EDGE.sql_name} ANTI JOIN (
            SELECT record_id_l, record_id_r FROM {JUDGED_PAIR.sql_name}
            UNION ALL SELECT record_id_l, record_id_r FROM {judgements.relation}
        ) USING (record_id_l, record_id_r)
        ORDER BY abs(distance), record_id_l, record_id_r LIMIT {NEAREST}
    """).fetchall()
    return [((left, right), distance) for left, right, distance in rows]


def _judged(con: duckdb.DuckDBPyConnection) -> list[Pair]:
    rows = con.execute(f"""
        SELECT record_id_l, record_id_r FROM {JUDGED_PAIR.sql_name} WHERE verdict IN ('same', 'different')
    """).fetchall()
    return [(left, right) for left, right in rows]


def _listed(con: duckdb.DuckDBPyConnection, chosen: Sequence[Pair], *, now: datetime) -> list[ReviewPair]:
    """Return the chosen pairs with their value, in their order."""
    con.register("chosen_arrow", pa.table({
        "record_id_l": pa.array([left for left, _ in chosen], pa.string()),
        "record_id_r": pa.array([right for _, right in chosen], pa.string()),
    }))  # fmt: skip
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE training_now AS
        SELECT e.record_id_l, e.record_id_r, e.entity_type, e.match_probability,
            {timestamp_literal(now)} AS queued_at, false AS is_unsure, 'training' AS reason
        FROM {EDGE.sql_name} e JOIN chosen_arrow USING (record_id_l, record_id_r)
    """)
    con.unregister("chosen_arrow")
    valued = {(p.left, p.right): p for p in value_pairs(con, "training_now", now=now, where="true", limit=len(chosen))}
    con.execute("DROP TABLE training_now")
    return [valued[pair] for pair in chosen]
