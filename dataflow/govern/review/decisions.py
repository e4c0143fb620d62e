"""Words of stewards on pairs: each is a small transaction of its own, appended, and acted on by the next run.

See dataflow/resolve/judgements/judgements.py for what holds when several speak on one pair.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from dataflow.errors import UsageError
from dataflow.govern.review.pairs import (
    PAIR_ID,
    find_pair,
    pair_id_of,
    read_judgements,
    standing_words,
    words_on,
    would_fuse,
)
from dataflow.resolve.judgements.explain import Pair
from dataflow.resolve.judgements.judgements import (
    SAME,
    VERDICTS,
    WITHDRAWN,
    Judgement,
    Standing,
    fingerprint_sql,
    settle,
)
from dataflow.tables.conformed import CUSTOMER_RECORD
from dataflow.tables.ops import JUDGEMENT
from dataflow.tables.resolved import JUDGED_PAIR, JUDGED_RECORD
from lakehouse import Lake
from lakehouse.table import DATABASE, literal, timestamp_literal


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What became of a judgement. `overruled`: pairs (ids) said to be the same before, which it now rules out."""

    pair_id: str
    verdict: str
    judgement_id: str
    is_waiting: bool = False
    overruled: tuple[str, ...] = ()


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
        con.execute(f"USE {DATABASE}")
        judgements = read_judgements(con)
        pair = find_pair(con, named)
        kind = _type_of(con, pair)
        before = settle(judgements)
        if verdict == WITHDRAWN:
            _refuse_empty(con, pair, before)
        needs_second = verdict == SAME and would_fuse(con, pair, before, large=large)
        judgement = _judgement(pair, kind, verdict, who, now, judgements, needs_second=needs_second)
        row = _row_sql(judgement, why, run_id)
    lake.transact(
        lambda writing: writing.execute(f"INSERT INTO {JUDGEMENT.in_lake} BY NAME {row}"),
        author=who,
        run_id=run_id,
        message=f"review: {verdict}",
    )
    return _outcome(judgement, before, settle([*judgements, judgement]))


def list_judgements(con: duckdb.DuckDBPyConnection, *, limit: int = 50) -> list[dict[str, Any]]:
    """List what stewards have decided, newest first, one row for each pair, and what holds of it today."""
    judgements = read_judgements(con)
    today = {j.judgement_id: j.pair for j in judgements}
    by_pair = {s.newest.pair: s for s in settle(judgements)}
    rows = con.execute(f"""
        SELECT {PAIR_ID} AS pair_id, judgement_id, verdict, decided_by, decided_at, reason FROM {JUDGEMENT.sql_name}
        QUALIFY row_number() OVER (PARTITION BY record_id_l, record_id_r ORDER BY decided_at DESC, judgement_id) = 1
        ORDER BY decided_at DESC, pair_id LIMIT {int(limit)}
    """).fetchall()
    listed = []
    for pair_id, judgement_id, verdict, who, when, why in rows:
        standing = by_pair.get(today[judgement_id]) if judgement_id in today else None
        holds = "withdrawn" if verdict == WITHDRAWN else standing_words(standing) or "sleeps: a record is gone"
        listed.append({"pair": pair_id, "verdict": verdict, "who": who, "decided_at": when, "why": why, "holds": holds})
    return listed


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
    said = words_on(con, pair)
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
    said = f"(SELECT {fingerprint_sql('r')} FROM {CUSTOMER_RECORD.in_lake} r WHERE r.record_id = {{}})"
    return f"""
        SELECT {literal(judgement.judgement_id)} AS judgement_id, {left} AS record_id_l, {right} AS record_id_r,
            {literal(judgement.verdict)} AS verdict, {literal(judgement.decided_by)} AS decided_by,
            {timestamp_literal(judgement.decided_at)} AS decided_at, {literal(why)} AS reason,
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
