"""Record judgements of stewards on pairs: each is a message in the inbox, at any time, and the next run acts on it.

A judgement is checked against what readers see, waiting judgements included. See
dataflow/resolve/judgements/judgements.py for what holds when several people judge one pair.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from dataflow.errors import UsageError
from dataflow.govern.deciding import WAITS, check_reason
from dataflow.govern.review.pairs import (
    IN_LAKE,
    PAIR_ID,
    find_pair,
    judgements_on,
    pair_id_of,
    read_judgements,
    standing_text,
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
from dataflow.resolve.judgements.messages import KIND, JudgementMessage, JudgementsNow
from dataflow.tables.conformed import CUSTOMER_RECORD
from lakehouse import Inbox


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The outcome of a judgement. `overruled`: the ids of pairs judged the same before that it rules out."""

    pair_id: str
    verdict: str
    judgement_id: str
    is_waiting: bool = False
    overruled: tuple[str, ...] = ()


def decide_pair(
    con: duckdb.DuckDBPyConnection,
    inbox: Inbox,
    named: Sequence[str],
    verdict: str,
    *,
    who: str,
    why: str,
    now: datetime,
    large: int,
    judgements: JudgementsNow = IN_LAKE,
) -> Decision:
    """Write a judgement on a pair to the inbox; the next run acts on it. `con` reads the lake.

    `large`: two customers of this many records each are fused only where two people decide so.
    Raises: UsageError without a person and a reason, for an unknown pair or verdict, for a person and a company.
    """
    if verdict not in VERDICTS:
        raise UsageError(f"Unknown verdict {verdict}; known are {', '.join(VERDICTS)}.")
    check_reason(who, why, "A judgement")
    known = read_judgements(con, judgements=judgements)
    pair = find_pair(con, named, judgements=judgements)
    kind = _type_of(con, pair)
    before = settle(known)
    if verdict == WITHDRAWN:
        _refuse_empty(con, pair, before, judgements)
    needs_second = verdict == SAME and would_fuse(con, pair, before, large=large)
    judgement = _judgement(pair, kind, verdict, who, now, known, needs_second=needs_second)
    inbox.write(KIND, author=who, body=_message(con, judgement, why).as_body(), now=now)
    return _outcome(judgement, before, settle([*known, judgement]))


def list_judgements(
    con: duckdb.DuckDBPyConnection, *, limit: int = 50, judgements: JudgementsNow = IN_LAKE
) -> list[dict[str, Any]]:
    """List the newest judgement on each pair, newest first, and what holds of it now."""
    known = read_judgements(con, judgements=judgements)
    today = {j.judgement_id: j.pair for j in known}
    by_pair = {s.newest.pair: s for s in settle(known)}
    rows = con.execute(f"""
        SELECT {PAIR_ID} AS pair_id, judgement_id, verdict, decided_by, decided_at, reason FROM {judgements.relation}
        QUALIFY row_number() OVER (PARTITION BY record_id_l, record_id_r ORDER BY decided_at DESC, judgement_id DESC)
            = 1
        ORDER BY decided_at DESC, pair_id LIMIT {int(limit)}
    """).fetchall()
    listed = []
    for pair_id, judgement_id, verdict, who, when, why in rows:
        standing = by_pair.get(today[judgement_id]) if judgement_id in today else None
        holds = "withdrawn" if verdict == WITHDRAWN else standing_text(standing) or "inactive: a record is gone"
        state = WAITS if judgement_id in judgements.waiting else ""
        listed.append(
            {
                "pair": pair_id,
                "verdict": verdict,
                "who": who,
                "decided_at": when,
                "why": why,
                "holds": holds,
                "state": state,
            }
        )
    return listed


def _type_of(con: duckdb.DuckDBPyConnection, pair: Pair) -> str:
    """Return the entity type of the two records; empty where both are gone. Raises: UsageError where they differ."""
    kinds = con.execute(
        f"SELECT DISTINCT entity_type FROM {CUSTOMER_RECORD.sql_name} WHERE record_id IN (?, ?)", list(pair)
    ).fetchall()
    if len(kinds) > 1:
        raise UsageError("A person and a company are never one customer.")
    return str(kinds[0][0]) if kinds else ""


def _refuse_empty(
    con: duckdb.DuckDBPyConnection, pair: Pair, standing: Sequence[Standing], judgements: JudgementsNow
) -> None:
    """Refuse to withdraw where there is no judgement; an inactive one can be withdrawn. Raises: UsageError."""
    before = judgements_on(con, pair, judgements=judgements)
    if not any(s.newest.pair == pair for s in standing) and (not before or before[-1].verdict == WITHDRAWN):
        raise UsageError("There is no judgement on this pair to withdraw.")


def _judgement(
    pair: Pair, kind: str, verdict: str, who: str, now: datetime, judgements: Sequence[Judgement], *, needs_second: bool
) -> Judgement:
    """Make the judgement, the newest on its pair even where the clock was set back."""
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


def _message(con: duckdb.DuckDBPyConnection, judgement: Judgement, why: str) -> JudgementMessage:
    """Make the message: the judgement with the fingerprints of its records, which find them under another key."""
    rows = con.execute(
        f"SELECT record_id, {fingerprint_sql('r')} FROM {CUSTOMER_RECORD.in_lake} r WHERE record_id IN (?, ?)",
        list(judgement.pair),
    ).fetchall()
    fingerprints: dict[str, str | None] = dict(rows)
    left, right = judgement.pair
    return JudgementMessage.model_validate(
        {
            "judgement_id": judgement.judgement_id,
            "record_id_l": left,
            "record_id_r": right,
            "verdict": judgement.verdict,
            "decided_by": judgement.decided_by,
            "decided_at": judgement.decided_at,
            "reason": why,
            "needs_second": judgement.needs_second,
            "fingerprint_l": fingerprints.get(left),
            "fingerprint_r": fingerprints.get(right),
        }
    )


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
