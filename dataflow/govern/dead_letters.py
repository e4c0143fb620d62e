"""What was set aside: look at it, try it again, or decide that it stays out.

Reading takes any connection with the lake attached as `lake`; each decision is a small transaction of its own. A
decision takes effect in the next run: a replayed row is validated like a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from duckdb import DuckDBPyConnection

from dataflow.errors import UsageError
from dataflow.tables.ops import DEAD_LETTERS
from lakehouse import Lake
from lakehouse.query import fetch_int
from lakehouse.table import literal

STATUSES = ("open", "replaying", "resolved", "superseded", "discarded")
_TABLE = DEAD_LETTERS.in_lake
_SHORTEST_ID = 6  # characters of an id that name a letter, where they are unambiguous


@dataclass(frozen=True, kw_only=True)
class LetterFilter:
    """Which dead letters are meant. What is left out matches all; `ids` may be beginnings of ids."""

    source: str | None = None
    object: str | None = None
    rule: str | None = None
    statuses: tuple[str, ...] = ("open",)
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = sorted(set(self.statuses) - set(STATUSES))
        if unknown:
            raise UsageError(f"There is no status {', '.join(unknown)}; there are {', '.join(STATUSES)}.")
        short = [one for one in self.ids if len(one) < _SHORTEST_ID or not one.isalnum()]
        if short:
            raise UsageError(f"An id is given by at least {_SHORTEST_ID} of its characters; {len(short)} are shorter.")

    @property
    def sql(self) -> str:
        """The filter as a condition."""
        parts = [f"status IN ({', '.join(map(literal, self.statuses))})"] if self.statuses else ["true"]
        parts += [f"_source = {literal(self.source)}"] if self.source else []
        parts += [f"_object = {literal(self.object)}"] if self.object else []
        parts += [f"list_contains(rules, {literal(self.rule)})"] if self.rule else []
        if self.ids:
            parts.append("(" + " OR ".join(f"starts_with(dead_letter_id, {literal(one)})" for one in self.ids) + ")")
        return " AND ".join(parts)


@dataclass(frozen=True, kw_only=True)
class LetterCount:
    """Dead letters of one object that broke one rule first."""

    source: str
    object: str
    rule: str
    status: str
    count: int
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One row that was set aside. `payload` is only there when it was asked for: it holds a customer's data."""

    id: str
    source: str
    object: str
    stage: str
    rules: tuple[str, ...]
    reason: str
    status: str
    attempts: int
    locator: str | None
    first_seen_at: datetime
    last_seen_at: datetime
    decided_by: str | None
    decision_reason: str | None
    payload: str | None = None


def count_letters(con: DuckDBPyConnection, chosen: LetterFilter) -> list[LetterCount]:
    """Count dead letters by object, first rule and status; most first."""
    rows = con.execute(f"""
        SELECT _source, _object, rule, status, count(*), min(first_seen_at), max(last_seen_at) FROM {_TABLE}
        WHERE {chosen.sql} GROUP BY ALL ORDER BY count(*) DESC, _source, _object, rule, status
    """).fetchall()
    names = ("source", "object", "rule", "status", "count", "first_seen_at", "last_seen_at")
    return [LetterCount(**dict(zip(names, row, strict=True))) for row in rows]


def list_letters(con: DuckDBPyConnection, chosen: LetterFilter, *, limit: int = 50) -> list[DeadLetter]:
    """List dead letters, last seen first, without their payload."""
    return _read(con, chosen, limit=limit, payload="NULL")


def show_letter(con: DuckDBPyConnection, letter_id: str, *, with_payload: bool = False) -> DeadLetter:
    """Show one dead letter, whatever its status. Raises: UsageError when the id names none or several."""
    found = _read(
        con, LetterFilter(ids=(letter_id,), statuses=()), limit=2, payload="payload" if with_payload else "NULL"
    )
    if len(found) != 1:
        raise UsageError(
            f"{'No dead letter has' if not found else 'Several dead letters have'} an id that begins with {letter_id}.",
            next_move="`dataflow dlq list` shows the ids.",
        )
    return found[0]


def replay_letters(lake: Lake, chosen: LetterFilter, *, run_id: str = "") -> int:
    """Mark dead letters to be validated again by the next run; returns how many.

    Open and discarded ones can be replayed. Raises: UsageError for an id that names none of these.
    """
    return _decide(
        lake,
        chosen,
        "status = 'replaying'",
        allowed=("open", "discarded"),
        author="dataflow",
        what="replay",
        run_id=run_id,
    )


def discard_letters(lake: Lake, chosen: LetterFilter, *, who: str, why: str, run_id: str = "") -> int:
    """Decide that dead letters stay out; returns how many. They are kept, with who decided and why.

    Raises: UsageError without a person and a reason, or for an id that names no open dead letter.
    """
    if not who.strip() or not why.strip():
        raise UsageError("Discarding needs who decides it and why.")
    change = f"status = 'discarded', decided_by = {literal(who)}, decision_reason = {literal(why)}"
    return _decide(lake, chosen, change, allowed=("open", "replaying"), author=who, what="discard", run_id=run_id)


def _read(con: DuckDBPyConnection, chosen: LetterFilter, *, limit: int, payload: str) -> list[DeadLetter]:
    rows = con.execute(f"""
        SELECT dead_letter_id, _source, _object, stage, rules, reason, status, attempts, locator,
            first_seen_at, last_seen_at, decided_by, decision_reason, {payload} AS payload
        FROM {_TABLE} WHERE {chosen.sql} ORDER BY last_seen_at DESC, dead_letter_id LIMIT {limit}
    """).fetchall()
    names = tuple(DeadLetter.__dataclass_fields__)
    return [DeadLetter(**(dict(zip(names, row, strict=True)) | {"rules": tuple(row[4])})) for row in rows]


def _decide(
    lake: Lake, chosen: LetterFilter, change: str, *, allowed: Sequence[str], author: str, what: str, run_id: str
) -> int:
    condition = LetterFilter(
        source=chosen.source,
        object=chosen.object,
        rule=chosen.rule,
        ids=chosen.ids,
        statuses=tuple(one for one in (chosen.statuses if not chosen.ids else allowed) if one in allowed),
    ).sql
    _refuse_unmatched(lake.con, chosen.ids, condition)
    count = fetch_int(lake.con, f"SELECT count(*) FROM {_TABLE} WHERE {condition}")
    if count:
        lake.transact(
            _updating(f"UPDATE {_TABLE} SET {change} WHERE {condition}"),
            author=author,
            run_id=run_id,
            message=f"{what} {count} dead letters",
        )
    return count


def _updating(statement: str) -> Callable[[DuckDBPyConnection], None]:
    def update(con: DuckDBPyConnection) -> None:
        con.execute(statement)

    return update


def _refuse_unmatched(con: DuckDBPyConnection, ids: Sequence[str], condition: str) -> None:
    for one in ids:
        found = con.execute(
            f"SELECT 1 FROM {_TABLE} WHERE {condition} AND starts_with(dead_letter_id, {literal(one)}) LIMIT 1"
        ).fetchone()
        if found is None:
            raise UsageError(f"No dead letter in question has an id that begins with {one}.")
