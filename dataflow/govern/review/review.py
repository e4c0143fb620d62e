"""Read the review queue: list its pairs by value, show one with all that is known of it.

Reading takes a connection whose schemas are the lake's (or a run's workspace over it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from dataflow.errors import UsageError
from dataflow.govern.review.pairs import (
    IN_LAKE,
    PAIR_ID,
    PastJudgement,
    find_pair,
    judgements_on,
    pair_id_of,
    read_judgements,
    standing_text,
    would_fuse,
)
from dataflow.resolve.judgements.explain import Explanation, Pair, explain_pairs
from dataflow.resolve.judgements.judgements import Standing, obstacles, settle, standing_table
from dataflow.resolve.judgements.messages import JudgementsNow
from dataflow.tables.conformed import CUSTOMER_RECORD
from dataflow.tables.ops import JUDGEMENT, REVIEW_QUEUE
from dataflow.tables.published import CUSTOMER_360
from dataflow.tables.resolved import EDGE, EPOCH, JUDGED_PAIR, JUDGED_RECORD, MATCH_RECORD, TERM_FREQUENCY, XREF
from lakehouse.query import fetch_int, fetch_records
from lakehouse.table import literal, timestamp_literal

READS = (
    *(REVIEW_QUEUE, JUDGEMENT, CUSTOMER_RECORD, CUSTOMER_360),
    *(EDGE, EPOCH, JUDGED_PAIR, JUDGED_RECORD, MATCH_RECORD, TERM_FREQUENCY, XREF),
)
"""The tables of the lake that clerical review reads, by listing, explaining and deciding."""

# Uncertainty is the entropy of the probability, and 1 where the evidence contradicts itself. Business weight grows with
# the logarithm of the orders and records at stake. Age doubles the value in a month.
_UNCERTAINTY = """
    CASE WHEN reason IN ('below threshold', 'weak link') AND match_probability BETWEEN 1e-9 AND 1 - 1e-9 THEN
        -(match_probability * log2(match_probability) + (1 - match_probability) * log2(1 - match_probability))
    WHEN reason IN ('below threshold', 'weak link') THEN 0 ELSE 1 END"""
_BUSINESS = "1 + log10(1 + order_amount::DOUBLE) + log10(1 + orders + tickets) + log10(greatest(records, 1))"
_AGE = "1 + least(waiting_days, 90) / 30"

REASONS: Mapping[str, str] = {
    "below threshold": "They can be one, but the probability is below the threshold for joining them.",
    "weak link": "They are one customer by this link alone, and it is a weak one.",
    "weak bridge": "The two are similar, but the other records of their customers contradict a match.",
    "oversized cluster": "Too many records are linked here: the group was cut, and this pair is one of the cuts.",
    "second person": "Two large customers would become one: a second person has to agree.",
    "contradiction": "A steward judged them the same; other judgements rule it out.",
    "training": "The answer improves the model most: the pair is near the threshold, and similar ones lack judgements.",
}


@dataclass(frozen=True, kw_only=True)
class ReviewPair:
    """One pair of the queue. Orders, amounts and records are counted over the customers of both records."""

    pair_id: str
    reason: str
    entity_type: str
    chance: float
    value: float
    orders: int
    order_amount: float
    records: int
    waiting_days: float
    is_unsure: bool
    left: str
    right: str


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is known of a pair. `fields` and `customers` hold customers' values: only stewards read them.

    `ruled_out_by`: where a `same` does not hold, the ids of the pairs judged different that it would put together.
    """

    pair_id: str
    left: str
    right: str
    reason: str | None
    explanation: Explanation | None
    fields: tuple[tuple[str, str | None, str | None], ...]
    customers: tuple[dict[str, Any], ...]
    judgements: tuple[PastJudgement, ...]
    standing: str
    ruled_out_by: tuple[str, ...]
    needs_second: bool

    @property
    def reason_text(self) -> str:
        return REASONS.get(self.reason or "", "")


def list_pairs(
    con: duckdb.DuckDBPyConnection,
    *,
    now: datetime,
    entity_type: str | None = None,
    reason: str | None = None,
    limit: int = 50,
    judgements: JudgementsNow = IN_LAKE,
) -> list[ReviewPair]:
    """List the pairs that wait for a decision, most valuable first: uncertainty × business weight × age.

    Pairs decided since the last run are left out; those judged unsure come last. Raises: UsageError.
    """
    if reason is not None and reason not in REASONS:
        raise UsageError(f"Unknown reason {reason}; known are {', '.join(REASONS)}.")
    _lay_out_queue(con, settle(read_judgements(con, judgements=judgements)))
    conditions = [
        f"{name} = {literal(value)}" for name, value in (("entity_type", entity_type), ("reason", reason)) if value
    ]
    found = value_pairs(con, "review_now", now=now, where=" AND ".join(conditions) or "true", limit=limit)
    con.execute("DROP TABLE review_now")
    return found


def count_pairs(con: duckdb.DuckDBPyConnection, *, judgements: JudgementsNow = IN_LAKE) -> int:
    """Count the pairs that wait for a decision, as `list_pairs` lists them."""
    _lay_out_queue(con, settle(read_judgements(con, judgements=judgements)))
    count = fetch_int(con, "SELECT count(*) FROM review_now")
    con.execute("DROP TABLE review_now")
    return count


def show_pair(
    con: duckdb.DuckDBPyConnection,
    named: Sequence[str],
    *,
    large: int,
    judgements: JudgementsNow = IN_LAKE,
    is_explained: bool = True,
) -> Case:
    """Return what is known of a pair, given by its id or by its two record ids. Raises: UsageError.

    The model's explanation takes half of the time: `is_explained` says whether it is asked for.
    """
    standing = settle(read_judgements(con, judgements=judgements))
    left, right = pair = find_pair(con, named, judgements=judgements)
    own = next((s for s in standing if s.newest.pair == pair), None)
    ruled_out_by = obstacles(standing, pair) if own is not None and own.is_contradicted else []
    _lay_out_queue(con, standing)
    rows = con.execute("SELECT reason FROM review_now WHERE record_id_l = ? AND record_id_r = ?", list(pair)).fetchall()
    con.execute("DROP TABLE review_now")
    return Case(
        pair_id=pair_id_of(*pair),
        left=left,
        right=right,
        reason=rows[0][0] if rows else None,
        explanation=explain_pairs(con, [pair]).get(pair) if is_explained else None,
        fields=_fields(con, pair),
        customers=_customers(con, pair),
        judgements=judgements_on(con, pair, judgements=judgements),
        standing=standing_text(own),
        ruled_out_by=tuple(pair_id_of(*s.newest.pair) for s in ruled_out_by),
        needs_second=would_fuse(con, pair, standing, large=large),
    )


def top_explained(con: duckdb.DuckDBPyConnection, *, now: datetime, limit: int) -> list[tuple[ReviewPair, Explanation]]:
    """Return the most valuable pairs of the queue with their explanations: labels and weights, no values."""
    pairs = list_pairs(con, now=now, limit=limit)
    explained = explain_pairs(con, [(pair.left, pair.right) for pair in pairs]) if pairs else {}
    return [(p, explained[p.left, p.right]) for p in pairs if (p.left, p.right) in explained]


def _lay_out_queue(con: duckdb.DuckDBPyConnection, standing: Sequence[Standing]) -> None:
    """Make `review_now`: the queue of the last run with the judgements made since laid over it."""
    con.register("standing_arrow", standing_table(standing))
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE review_now AS
        WITH laid AS (
            SELECT record_id_l, record_id_r, coalesce(q.entity_type, s.entity_type) AS entity_type,
                coalesce(q.match_probability, e.match_probability, 0) AS match_probability,
                coalesce(q.queued_at, s.decided_at) AS queued_at, coalesce(s.verdict = 'unsure', false) AS is_unsure,
                CASE WHEN s.is_contradicted THEN 'contradiction' WHEN s.is_waiting THEN 'second person'
                     WHEN s.verdict IN ('same', 'different') THEN NULL
                     WHEN q.reason NOT IN ('contradiction', 'second person') THEN q.reason END AS reason
            FROM {REVIEW_QUEUE.sql_name} q FULL JOIN standing_arrow s USING (record_id_l, record_id_r)
            LEFT JOIN {EDGE.sql_name} e USING (record_id_l, record_id_r)
        )
        FROM laid WHERE reason IS NOT NULL
    """)
    con.unregister("standing_arrow")


def value_pairs(
    con: duckdb.DuckDBPyConnection, pairs: str, *, now: datetime, where: str, limit: int
) -> list[ReviewPair]:
    """Return the pairs of a table with the columns of review_now and their value; best first."""
    timestamp = timestamp_literal(now)
    rows = con.execute(f"""
        WITH owner AS (
            SELECT DISTINCT record_id_l, record_id_r, customer_id FROM (
                SELECT record_id_l, record_id_r, unnest([record_id_l, record_id_r]) AS record_id FROM {pairs}
            ) JOIN {XREF.sql_name} USING (record_id)
        ),
        stake AS (
            SELECT record_id_l, record_id_r, sum(order_count)::BIGINT AS orders, sum(ticket_count)::BIGINT AS tickets,
                sum(order_amount)::DOUBLE AS order_amount, sum(record_count)::BIGINT AS records,
                min(customer_id) || max(customer_id) AS customers
            FROM owner JOIN {CUSTOMER_360.sql_name} USING (customer_id) GROUP BY ALL
        ),
        known AS (
            SELECT p.*, coalesce(orders, 0) AS orders, coalesce(tickets, 0) AS tickets,
                coalesce(order_amount, 0) AS order_amount, coalesce(records, 0) AS records, customers,
                greatest(epoch({timestamp}) - epoch(queued_at), 0) / 86400 AS waiting_days
            FROM {pairs} p LEFT JOIN stake USING (record_id_l, record_id_r)
        ),
        weighed AS (SELECT *, {PAIR_ID} AS pair_id, ({_UNCERTAINTY}) * ({_BUSINESS}) * ({_AGE}) AS alone FROM known),
        valued AS (
            -- the answer to one pair mostly answers the others between the same customers
            SELECT *, alone / row_number() OVER (PARTITION BY customers ORDER BY alone DESC, pair_id) AS value
            FROM weighed
        )
        SELECT pair_id, reason, entity_type, match_probability, value, orders, order_amount, records, waiting_days,
            is_unsure, record_id_l, record_id_r
        FROM valued WHERE {where} ORDER BY is_unsure, value DESC, pair_id LIMIT {int(limit)}
    """).fetchall()
    names = tuple(ReviewPair.__dataclass_fields__)
    return [ReviewPair(**dict(zip(names, row, strict=True))) for row in rows]


def _fields(con: duckdb.DuckDBPyConnection, pair: Pair) -> tuple[tuple[str, str | None, str | None], ...]:
    """Return the fields that at least one of the two records fills, side by side."""
    shown = [c.name for c in CUSTOMER_RECORD.columns if not c.name.startswith("_") and c.name != "record_id"]
    columns = ", ".join(f"{name}::VARCHAR" for name in shown)
    rows = {
        row[0]: row[1:]
        for row in con.execute(
            f"SELECT record_id, {columns} FROM {CUSTOMER_RECORD.sql_name} WHERE record_id IN (?, ?)", list(pair)
        ).fetchall()
    }
    nothing: tuple[None, ...] = (None,) * len(shown)
    left, right = (rows.get(record, nothing) for record in pair)
    return tuple((name, a, b) for name, a, b in zip(shown, left, right, strict=True) if a is not None or b is not None)


def _customers(con: duckdb.DuckDBPyConnection, pair: Pair) -> tuple[dict[str, Any], ...]:
    """Return the customers of the two records, left first; one where it is the same."""
    found = fetch_records(
        con,
        f"""
        SELECT customer_id, record_count AS records, sources, order_count AS orders, order_amount,
            ticket_count AS tickets, confidence
        FROM {CUSTOMER_360.sql_name} JOIN (
            SELECT customer_id, min(record_id) AS first FROM {XREF.sql_name} WHERE record_id IN (?, ?) GROUP BY ALL
        ) USING (customer_id) ORDER BY first
        """,
        list(pair),
    )
    return tuple(found)
