"""The review queue: which pairs a steward should look at first, what is known of one, and what was decided.

Reading takes a connection whose schemas are the lake's (or a run's workspace over it). A decision is a small
transaction of its own and takes effect in the next run. It is appended and never changed; see
dataflow/resolve/judgements.py for what holds when several speak on one pair.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from dataflow.errors import UsageError
from dataflow.resolve.explain import Explanation, Pair, explain_pairs
from dataflow.resolve.judgements import (
    SAME,
    VERDICTS,
    WITHDRAWN,
    Judgement,
    Standing,
    fingerprint_sql,
    obstacles,
    present_judgements,
    settle,
)
from dataflow.tables.conformed import CUSTOMER_RECORD
from dataflow.tables.ops import JUDGEMENT, REVIEW_QUEUE
from dataflow.tables.published import CUSTOMER_360
from dataflow.tables.resolved import EDGE, JUDGED_PAIR, JUDGED_RECORD, XREF
from lakehouse import Lake
from lakehouse.table import literal

_SHORTEST_ID = 6  # characters of an id that name a pair, where they are unambiguous
_ID = "left(md5(record_id_l || '|' || record_id_r), 12)"

# Uncertainty is the entropy of the chance; where the evidence contradicts itself it is as large as it can be. Business
# weight grows with the orders and records at stake, by powers of ten. A pair that waits a month counts double.
_UNCERTAINTY = """
    CASE WHEN reason IN ('below threshold', 'weak link') AND match_probability BETWEEN 1e-9 AND 1 - 1e-9 THEN
        -(match_probability * log2(match_probability) + (1 - match_probability) * log2(1 - match_probability))
    WHEN reason IN ('below threshold', 'weak link') THEN 0 ELSE 1 END"""
_BUSINESS = "1 + log10(1 + order_amount::DOUBLE) + log10(1 + orders + tickets) + log10(greatest(records, 1))"
_AGE = "1 + least(waiting_days, 90) / 30"

REASONS: Mapping[str, str] = {
    "below threshold": "The model holds it possible that they are one, but is not sure enough to join them.",
    "weak link": "They are one customer by this link alone, and it is a weak one.",
    "weak bridge": "The two are much alike, but the other records of their customers speak against it.",
    "oversized cluster": "Too many records hang together here: the group was cut, and here is one of the cuts.",
    "second person": "Two large customers would become one: a second person has to agree.",
    "contradiction": "A steward said that they are the same; other judgements say that they cannot be.",
    "training": "The answer would teach the model most: it is near the threshold, and few like it were judged.",
}


@dataclass(frozen=True, kw_only=True)
class ReviewPair:
    """One pair of the queue. What is at stake is counted over the customers of both records."""

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
class Word:
    """One judgement on a pair, as it was given."""

    verdict: str
    decided_by: str
    decided_at: datetime
    reason: str


@dataclass(frozen=True, kw_only=True)
class Case:
    """All there is to decide a pair by. `fields` and `customers` hold customers' values: for stewards' eyes only.

    `ruled_out_by`: where a `same` does not hold, the pairs (ids) that are different and that it would put together.
    """

    pair_id: str
    left: str
    right: str
    reason: str | None
    explanation: Explanation | None
    fields: tuple[tuple[str, str | None, str | None], ...]
    customers: tuple[dict[str, Any], ...]
    words: tuple[Word, ...]
    standing: str
    ruled_out_by: tuple[str, ...]
    needs_second: bool

    @property
    def reason_words(self) -> str:
        return REASONS.get(self.reason or "", "")


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What became of a judgement. `overruled`: pairs (ids) said to be the same before, which it now rules out."""

    pair_id: str
    verdict: str
    judgement_id: str
    is_waiting: bool = False
    overruled: tuple[str, ...] = ()


def pair_id_of(left: str, right: str) -> str:
    """Name a pair shortly; the same whichever record is named first."""
    return hashlib.md5("|".join(sorted((left, right))).encode(), usedforsecurity=False).hexdigest()[:12]


def list_pairs(
    con: duckdb.DuckDBPyConnection,
    *,
    now: datetime,
    entity_type: str | None = None,
    reason: str | None = None,
    limit: int = 50,
) -> list[ReviewPair]:
    """List what waits for a decision, most valuable first: uncertainty × business weight × age.

    Pairs that were decided since the last run are left out; those on which somebody was unsure come last.
    """
    if reason is not None and reason not in REASONS:
        raise UsageError(f"There is no such reason; there are {', '.join(REASONS)}.")
    _lay_out_queue(con, settle(_judgements(con)))
    conditions = [
        f"{name} = {literal(value)}" for name, value in (("entity_type", entity_type), ("reason", reason)) if value
    ]
    found = value_pairs(con, "review_now", now=now, where=" AND ".join(conditions) or "true", limit=limit)
    con.execute("DROP TABLE review_now")
    return found


def show_pair(con: duckdb.DuckDBPyConnection, named: Sequence[str], *, large: int) -> Case:
    """Gather what is known of a pair, named by its id or by its two records. Raises: UsageError."""
    standing = settle(_judgements(con))
    left, right = pair = find_pair(con, named)
    own = next((s for s in standing if s.newest.pair == pair), None)
    _lay_out_queue(con, standing)
    rows = con.execute("SELECT reason FROM review_now WHERE record_id_l = ? AND record_id_r = ?", list(pair)).fetchall()
    con.execute("DROP TABLE review_now")
    return Case(
        pair_id=pair_id_of(*pair),
        left=left,
        right=right,
        reason=rows[0][0] if rows else None,
        explanation=explain_pairs(con, [pair]).get(pair),
        fields=_fields(con, pair),
        customers=_customers(con, pair),
        words=_words(con, pair),
        standing=_standing_words(own),
        ruled_out_by=tuple(pair_id_of(*s.newest.pair) for s in obstacles(standing, pair)) if _is_ruled_out(own) else (),
        needs_second=_needs_second(con, pair, standing, large=large),
    )


def decide_pair(
    lake: Lake,
    named: Sequence[str],
    verdict: str,
    *,
    who: str,
    why: str,
    now: datetime,
    large: int,
    run_id: str = "",
) -> Decision:
    """Put a steward's word on a pair on record; the next run acts on it.

    `large`: customers of so many records each are only fused when two people say so.
    Raises: UsageError without a person and a reason, for an unknown pair or verdict, for a person and a company.
    """
    if verdict not in VERDICTS:
        raise UsageError(f"There is no verdict {verdict}; there are {', '.join(VERDICTS)}.")
    if not who.strip() or not why.strip():
        raise UsageError("A judgement needs who decides it and why.")
    lake.ensure((JUDGEMENT, JUDGED_RECORD, JUDGED_PAIR))
    with closing(lake.cursor()) as con:
        con.execute("USE lake")
        judgements = _judgements(con)
        pair = find_pair(con, named)
        kind = _type_of(con, pair)
        before = settle(judgements)
        if verdict == WITHDRAWN:
            _refuse_empty(con, pair, before)
        needs_second = verdict == SAME and _needs_second(con, pair, before, large=large)
        judgement = _judgement(pair, kind, verdict, who, now, judgements, needs_second=needs_second)
        row = _row_sql(judgement, why, run_id)
    lake.transact(
        lambda writing: writing.execute(f"INSERT INTO lake.{JUDGEMENT.sql_name} BY NAME {row}"),
        author=who,
        run_id=run_id,
        message=f"review: {verdict}",
    )
    return _outcome(judgement, before, settle([*judgements, judgement]))


def list_judgements(con: duckdb.DuckDBPyConnection, *, limit: int = 50) -> list[dict[str, Any]]:
    """List what stewards have decided, newest first, one row for each pair, and what holds of it today."""
    by_pair = {s.newest.pair: s for s in settle(_judgements(con))}
    rows = con.execute(f"""
        SELECT {_ID} AS pair_id, verdict, decided_by, decided_at, reason,
            {_today("l")} AS left_today, {_today("r")} AS right_today
        FROM {JUDGEMENT.sql_name} j
        LEFT JOIN {JUDGED_RECORD.sql_name} l ON l.record_id = j.record_id_l
        LEFT JOIN {JUDGED_RECORD.sql_name} r ON r.record_id = j.record_id_r
        QUALIFY row_number() OVER (PARTITION BY j.record_id_l, j.record_id_r ORDER BY decided_at DESC, judgement_id) = 1
        ORDER BY decided_at DESC, pair_id LIMIT {int(limit)}
    """).fetchall()
    listed = []
    for pair_id, verdict, who, when, why, left, right in rows:
        standing = by_pair.get((min(left, right), max(left, right))) if left and right else None
        holds = "withdrawn" if verdict == WITHDRAWN else _standing_words(standing) or "sleeps: a record is gone"
        listed.append({"pair": pair_id, "verdict": verdict, "who": who, "decided_at": when, "why": why, "holds": holds})
    return listed


def top_explained(con: duckdb.DuckDBPyConnection, *, now: datetime, limit: int) -> list[tuple[ReviewPair, Explanation]]:
    """The most valuable pairs of the queue with their explanations: labels and weights, no values."""
    pairs = list_pairs(con, now=now, limit=limit)
    explained = explain_pairs(con, [(pair.left, pair.right) for pair in pairs]) if pairs else {}
    return [(p, explained[p.left, p.right]) for p in pairs if (p.left, p.right) in explained]


def find_pair(con: duckdb.DuckDBPyConnection, named: Sequence[str]) -> Pair:
    """The records of a pair named by (the beginning of) its id, or by both record ids; smaller id left."""
    if len(named) == 2:
        left, right = sorted(named)
        there = con.execute(
            f"SELECT count(*) FROM {CUSTOMER_RECORD.sql_name} WHERE record_id IN (?, ?)", [left, right]
        ).fetchall()
        if left == right or there[0][0] != 2:
            raise UsageError("A pair is two different records that are there, each named as source|object|key.")
        return left, right
    if len(named) != 1 or len(named[0]) < _SHORTEST_ID or not named[0].isalnum():
        raise UsageError(f"A pair is named by at least {_SHORTEST_ID} characters of its id, or by its two record ids.")
    known = " UNION ".join(
        f"SELECT record_id_l, record_id_r FROM {table.sql_name}" for table in (REVIEW_QUEUE, JUDGEMENT, EDGE)
    )
    rows = con.execute(
        f"SELECT record_id_l, record_id_r FROM ({known}) WHERE starts_with({_ID}, ?) LIMIT 2", [named[0]]
    ).fetchall()
    if len(rows) != 1:
        raise UsageError(
            f"{'No pair has' if not rows else 'Several pairs have'} an id that begins with {named[0]}.",
            next_move="`dataflow review list` shows the ids.",
        )
    return str(rows[0][0]), str(rows[0][1])


def _judgements(con: duckdb.DuckDBPyConnection) -> list[Judgement]:
    try:
        return present_judgements(con)
    except duckdb.CatalogException as error:
        raise UsageError(
            "No run of this version has published to this lake yet.", next_move="Run `dataflow run` first."
        ) from error


def _lay_out_queue(con: duckdb.DuckDBPyConnection, standing: Sequence[Standing]) -> None:
    """Make `review_now`: the queue as the last run left it, with what was decided since laid over it."""
    con.register("standing_arrow", pa.table({
        "record_id_l": pa.array([s.newest.left for s in standing], pa.string()),
        "record_id_r": pa.array([s.newest.right for s in standing], pa.string()),
        "entity_type": pa.array([s.newest.entity_type for s in standing], pa.string()),
        "verdict": pa.array([s.verdict for s in standing], pa.string()),
        "is_waiting": pa.array([s.is_waiting for s in standing], pa.bool_()),
        "is_contradicted": pa.array([s.is_contradicted for s in standing], pa.bool_()),
        "decided_at": pa.array([s.newest.decided_at for s in standing], pa.timestamp("us", tz="UTC")),
    }))  # fmt: skip
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
    """Value the pairs of a table with the columns of review_now; best first."""
    moment = f"{literal(now.isoformat())}::TIMESTAMPTZ"
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
                greatest(epoch({moment}) - epoch(queued_at), 0) / 86400 AS waiting_days
            FROM {pairs} p LEFT JOIN stake USING (record_id_l, record_id_r)
        ),
        weighed AS (SELECT *, {_ID} AS pair_id, ({_UNCERTAINTY}) * ({_BUSINESS}) * ({_AGE}) AS alone FROM known),
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
    """The fields that one of the two fills, side by side."""
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
    """The customers that the two records belong to, left first; one when it is the same."""
    cursor = con.execute(
        f"""
        SELECT customer_id, record_count AS records, sources, order_count AS orders, order_amount,
            ticket_count AS tickets, confidence
        FROM {CUSTOMER_360.sql_name} JOIN (
            SELECT customer_id, min(record_id) AS first FROM {XREF.sql_name} WHERE record_id IN (?, ?) GROUP BY ALL
        ) USING (customer_id) ORDER BY first
        """,
        list(pair),
    )
    names = [column[0] for column in cursor.description or ()]
    return tuple(dict(zip(names, row, strict=True)) for row in cursor.fetchall())


def _words(con: duckdb.DuckDBPyConnection, pair: Pair) -> tuple[Word, ...]:
    rows = con.execute(
        f"""
        SELECT verdict, decided_by, decided_at, reason FROM {JUDGEMENT.sql_name}
        WHERE record_id_l = ? AND record_id_r = ? ORDER BY decided_at, judgement_id
        """,
        list(pair),
    ).fetchall()
    return tuple(Word(verdict=v, decided_by=who, decided_at=when, reason=why) for v, who, when, why in rows)


def _standing_words(standing: Standing | None) -> str:
    """What holds on a pair, in words; empty when nobody has spoken."""
    if standing is None:
        return ""
    if standing.is_contradicted:
        return "contradicted: other judgements rule it out"
    waiting = "; `same` waits for a second person" if standing.is_waiting else ""
    return f"{standing.verdict or 'undecided'} holds{waiting}"


def _is_ruled_out(standing: Standing | None) -> bool:
    return standing is not None and standing.is_contradicted


def _needs_second(con: duckdb.DuckDBPyConnection, pair: Pair, standing: Sequence[Standing], *, large: int) -> bool:
    """Whether two large customers would be fused; customers that words since the last run join count as one."""
    joined = [s.newest.pair for s in standing if s.joins]
    records = sorted({record for one in (*joined, pair) for record in one})
    con.register("asked_arrow", pa.table({"record_id": pa.array(records, pa.string())}))
    rows = con.execute(f"""
        WITH owner AS (SELECT record_id, customer_id FROM {XREF.sql_name} SEMI JOIN asked_arrow USING (record_id))
        SELECT record_id, customer_id, record_count FROM owner JOIN {CUSTOMER_360.sql_name} USING (customer_id)
    """).fetchall()
    con.unregister("asked_arrow")
    customer_of = {record: customer for record, customer, _ in rows}
    group_of = {customer: {customer} for _, customer, _ in rows}
    size_of = {customer: int(size) for _, customer, size in rows}
    for left, right in joined:
        if left in customer_of and right in customer_of:
            merged = group_of[customer_of[left]] | group_of[customer_of[right]]
            group_of |= dict.fromkeys(merged, merged)
    if any(record not in customer_of for record in pair):
        return False
    left_group, right_group = (group_of[customer_of[record]] for record in pair)
    sizes = [sum(size_of[customer] for customer in group) for group in (left_group, right_group)]
    return left_group.isdisjoint(right_group) and min(sizes) >= large


def _type_of(con: duckdb.DuckDBPyConnection, pair: Pair) -> str:
    """What the two records are; empty where both are gone."""
    kinds = con.execute(
        f"SELECT DISTINCT entity_type FROM {CUSTOMER_RECORD.sql_name} WHERE record_id IN (?, ?)", list(pair)
    ).fetchall()
    if len(kinds) > 1:
        raise UsageError("A person and a company are related, and never one customer.")
    return str(kinds[0][0]) if kinds else ""


def _refuse_empty(con: duckdb.DuckDBPyConnection, pair: Pair, standing: Sequence[Standing]) -> None:
    """A judgement that sleeps can be withdrawn too."""
    said = _words(con, pair)
    if not any(s.newest.pair == pair for s in standing) and (not said or said[-1].verdict == WITHDRAWN):
        raise UsageError("There is no judgement on this pair to withdraw.")


def _judgement(
    pair: Pair, kind: str, verdict: str, who: str, now: datetime, judgements: Sequence[Judgement], *, needs_second: bool
) -> Judgement:
    """The new word is the newest, also where a clock was set back."""
    last = max((j.decided_at for j in judgements if j.pair == pair), default=None)
    decided_at = now if last is None or last < now else last + timedelta(microseconds=1)
    named = "|".join((*pair, verdict, who, decided_at.isoformat()))
    return Judgement(
        judgement_id=hashlib.md5(named.encode(), usedforsecurity=False).hexdigest(),
        entity_type=kind,
        left=pair[0],
        right=pair[1],
        verdict=verdict,
        decided_by=who,
        decided_at=decided_at,
        needs_second=needs_second,
    )


def _row_sql(judgement: Judgement, why: str, run_id: str) -> str:
    left, right = (literal(record) for record in judgement.pair)
    said = f"(SELECT {fingerprint_sql('r')} FROM lake.{CUSTOMER_RECORD.sql_name} r WHERE r.record_id = {{}})"
    return f"""
        SELECT {literal(judgement.judgement_id)} AS judgement_id, {left} AS record_id_l, {right} AS record_id_r,
            {literal(judgement.verdict)} AS verdict, {literal(judgement.decided_by)} AS decided_by,
            {literal(judgement.decided_at.isoformat())}::TIMESTAMPTZ AS decided_at, {literal(why)} AS reason,
            {judgement.needs_second} AS needs_second, {said.format(left)} AS fingerprint_l,
            {said.format(right)} AS fingerprint_r, {literal(run_id)} AS _run_id
    """


def _outcome(judgement: Judgement, before: Sequence[Standing], after: Sequence[Standing]) -> Decision:
    own = next((s for s in after if s.newest.pair == judgement.pair), None)
    already = {s.newest.pair for s in before if s.is_contradicted}
    overruled = [s for s in after if s.is_contradicted and s.newest.pair not in already]
    return Decision(
        pair_id=pair_id_of(*judgement.pair),
        verdict=judgement.verdict,
        judgement_id=judgement.judgement_id,
        is_waiting=own is not None and own.is_waiting,
        overruled=tuple(pair_id_of(*s.newest.pair) for s in overruled),
    )


def _today(side: str) -> str:
    return f"CASE WHEN {side}.record_id IS NULL THEN j.record_id_{side} ELSE {side}.present_record_id END"
