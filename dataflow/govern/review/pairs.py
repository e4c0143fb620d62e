"""Find pairs of records by the ids that stewards use, and the judgements on them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from dataflow.errors import UsageError
from dataflow.govern.deciding import WAITS
from dataflow.resolve.judgements.explain import Pair
from dataflow.resolve.judgements.fusing import Customers
from dataflow.resolve.judgements.judgements import Judgement, Standing, present_judgements
from dataflow.resolve.judgements.messages import JudgementsNow
from dataflow.tables.conformed import CUSTOMER_RECORD
from dataflow.tables.ops import REVIEW_QUEUE
from dataflow.tables.resolved import EDGE

PAIR_ID = "left(md5(record_id_l || '|' || record_id_r), 12)"
"""The SQL of `pair_id_of`."""

_SHORTEST_ID = 6
"""The least characters of an id that identify a pair, where they are unambiguous."""

IN_LAKE = JudgementsNow()
"""The judgements that the lake, or a run's workspace, holds."""


@dataclass(frozen=True, kw_only=True)
class PastJudgement:
    """One judgement on a pair as it was given; `state` is set while it waits for the next run."""

    verdict: str
    decided_by: str
    decided_at: datetime
    reason: str
    state: str = ""


def pair_id_of(left: str, right: str) -> str:
    """Return the short id of a pair; it does not depend on the order of the two records."""
    return hashlib.md5("|".join(sorted((left, right))).encode(), usedforsecurity=False).hexdigest()[:12]


def find_pair(con: duckdb.DuckDBPyConnection, named: Sequence[str], *, judgements: JudgementsNow = IN_LAKE) -> Pair:
    """Return the records of a pair, smaller id left, by a prefix of its id or both record ids. Raises: UsageError."""
    if len(named) == 2:
        left, right = sorted(named)
        there = con.execute(
            f"SELECT count(*) FROM {CUSTOMER_RECORD.sql_name} WHERE record_id IN (?, ?)", [left, right]
        ).fetchall()
        if left == right or there[0][0] != 2:
            raise UsageError("A pair is two different present records, each given as source|object|key.")
        return left, right
    if len(named) != 1 or len(named[0]) < _SHORTEST_ID or not named[0].isalnum():
        raise UsageError(f"A pair is given by at least {_SHORTEST_ID} characters of its id, or by its two record ids.")
    known = " UNION ".join(
        f"SELECT record_id_l, record_id_r FROM {table}"
        for table in (REVIEW_QUEUE.sql_name, judgements.relation, EDGE.sql_name)
    )
    rows = con.execute(
        f"SELECT record_id_l, record_id_r FROM ({known}) WHERE starts_with({PAIR_ID}, ?) LIMIT 2", [named[0]]
    ).fetchall()
    if len(rows) != 1:
        raise UsageError(
            f"{'No pair has' if not rows else 'Several pairs have'} an id that begins with {named[0]}.",
            next_move="`dataflow review list` shows the ids.",
        )
    return str(rows[0][0]), str(rows[0][1])


def read_judgements(con: duckdb.DuckDBPyConnection, *, judgements: JudgementsNow = IN_LAKE) -> list[Judgement]:
    """Return every judgement on present records. Raises: UsageError where this version has not published yet."""
    try:
        return present_judgements(con, judgements=judgements.relation)
    except duckdb.CatalogException as error:
        raise UsageError(
            "No run of this version has published to this lake yet.", next_move="Run `dataflow run` first."
        ) from error


def judgements_on(
    con: duckdb.DuckDBPyConnection, pair: Pair, *, judgements: JudgementsNow = IN_LAKE
) -> tuple[PastJudgement, ...]:
    """Every judgement on a pair, oldest first."""
    rows = con.execute(
        f"""
        SELECT verdict, decided_by, decided_at, reason, judgement_id FROM {judgements.relation}
        WHERE record_id_l = ? AND record_id_r = ? ORDER BY decided_at, judgement_id
        """,
        list(pair),
    ).fetchall()
    return tuple(
        PastJudgement(
            verdict=verdict,
            decided_by=who,
            decided_at=when,
            reason=why,
            state=WAITS if judgement_id in judgements.waiting else "",
        )
        for verdict, who, when, why, judgement_id in rows
    )


def standing_text(standing: Standing | None) -> str:
    """Describe what holds on a pair; empty without a judgement."""
    if standing is None:
        return ""
    if standing.is_contradicted:
        return "contradicted: other judgements rule it out"
    waiting = "; `same` waits for a second person" if standing.is_waiting else ""
    return f"{standing.verdict or 'undecided'} holds{waiting}"


def would_fuse(con: duckdb.DuckDBPyConnection, pair: Pair, standing: Sequence[Standing], *, large: int) -> bool:
    """Return whether a `same` would fuse two customers of at least `large` records each.

    Customers that judgements since the last run join count as one.
    """
    return Customers(con, [pair], standing).would_fuse(pair, large=large)
