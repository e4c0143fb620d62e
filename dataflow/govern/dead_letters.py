"""List dead letters, replay or discard them.

Reading takes any connection with the lake attached as `lake`. A decision is a message in the inbox, written at any time
and checked against what readers see, waiting decisions included. It takes effect in the next run: a replayed row is
validated like a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from duckdb import CatalogException, DuckDBPyConnection

from checks.registry import unknown_name
from checks.rules import RULES
from dataflow.errors import UsageError
from dataflow.govern.deciding import check_reason
from dataflow.settings import Settings
from dataflow.tables.ops import DEAD_LETTER_EVENT, DEAD_LETTER_STATES, DEAD_LETTERS, WAITING
from dataflow.validate.dead_letter_decisions import KIND, MOST_IDS, DeadLetterDecision, DeadLettersNow
from dataflow.validate.dead_letter_events import OLDEST_FIRST
from lakehouse import Inbox
from lakehouse.query import fetch_records
from lakehouse.table import literal

READS = (DEAD_LETTERS,)
"""The tables of the lake that listing and deciding dead letters reads."""

REPLAYABLE = ("open", "discarded")
"""The statuses of dead letters that can be replayed; those that wait can be discarded."""

STATUSES = DEAD_LETTER_STATES
IN_LAKE = DeadLettersNow()
"""The dead letters of the lake, without waiting decisions."""

OWN_RULES = ("unreadable", "type", "schema")
"""Rules that validation has beside those of checks/rules.py."""

_SHORTEST_ID = 6
"""The least characters that identify a dead letter, where they are unambiguous."""


@dataclass(frozen=True, kw_only=True)
class DeadLetterFilter:
    """A choice of dead letters. A field left out matches all; `run` is the run that last wrote a dead letter; `ids` can
    be prefixes of ids."""

    source: str | None = None
    object: str | None = None
    rule: str | None = None
    run: str | None = None
    statuses: tuple[str, ...] = ("open",)
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = sorted(set(self.statuses) - set(STATUSES))
        if unknown:
            raise UsageError(f"Unknown status {', '.join(unknown)}; known are {', '.join(STATUSES)}.")
        short = [one for one in self.ids if len(one) < _SHORTEST_ID or not one.isalnum()]
        if short:
            raise UsageError(f"An id needs at least its first {_SHORTEST_ID} characters; {len(short)} are shorter.")

    @property
    def sql(self) -> str:
        """Return the filter as a SQL condition."""
        parts = [f"status IN ({', '.join(map(literal, self.statuses))})"] if self.statuses else ["true"]
        parts += [f"_source = {literal(self.source)}"] if self.source else []
        parts += [f"_object = {literal(self.object)}"] if self.object else []
        parts += [f"list_contains(rules, {literal(self.rule)})"] if self.rule else []
        parts += [f"_run_id = {literal(self.run)}"] if self.run else []
        if self.ids:
            parts.append("(" + " OR ".join(f"starts_with(dead_letter_id, {literal(one)})" for one in self.ids) + ")")
        return " AND ".join(parts)


def require_known(
    con: DuckDBPyConnection, chosen: DeadLetterFilter, settings: Settings, *, dead_letters: DeadLettersNow = IN_LAKE
) -> None:
    """Refuse a source, object or rule that is neither declared nor that of any dead letter. Raises: UsageError."""
    declared = {
        "source": (chosen.source, set(settings.sources), "_source"),
        "object": (chosen.object, {name for one in settings.sources.values() for name in one.objects}, "_object"),
        "rule": (chosen.rule, {*RULES, *OWN_RULES, *settings.rules}, "unnest(rules)"),
    }
    for kind, (name, known, column) in declared.items():
        if name is None or name in known:
            continue
        seen = {str(row[0]) for row in con.execute(f"SELECT DISTINCT {column} FROM {dead_letters.relation}").fetchall()}
        if name not in seen:
            raise UsageError(unknown_name(kind, name, known | seen))


@dataclass(frozen=True, kw_only=True)
class DeadLetterCount:
    """The number of dead letters of one object with one first rule and one status."""

    source: str
    object: str
    rule: str
    status: str
    count: int
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One dead letter. `payload` holds a customer's data and is set only on request.

    `is_waiting`: its status was decided, and no run has taken the decision yet.
    """

    id: str
    source: str
    object: str
    stage: str
    rules: tuple[str, ...]
    reason: str
    status: str
    is_waiting: bool
    attempts: int
    locator: str | None
    first_seen_at: datetime
    last_seen_at: datetime
    decided_by: str | None
    decision_reason: str | None
    payload: str | None = None


def count_dead_letters(
    con: DuckDBPyConnection, chosen: DeadLetterFilter, *, dead_letters: DeadLettersNow = IN_LAKE
) -> list[DeadLetterCount]:
    """Count dead letters by object, first rule and status; largest count first."""
    rows = con.execute(f"""
        SELECT _source, _object, rule, status, count(*), min(first_seen_at), max(last_seen_at)
        FROM {dead_letters.relation} WHERE {chosen.sql} GROUP BY ALL
        ORDER BY count(*) DESC, _source, _object, rule, status
    """).fetchall()
    names = ("source", "object", "rule", "status", "count", "first_seen_at", "last_seen_at")
    return [DeadLetterCount(**dict(zip(names, row, strict=True))) for row in rows]


def list_dead_letters(
    con: DuckDBPyConnection, chosen: DeadLetterFilter, *, limit: int = 50, dead_letters: DeadLettersNow = IN_LAKE
) -> list[DeadLetter]:
    """List dead letters, last seen first, without their payload."""
    return _read(con, chosen, dead_letters, limit=limit, payload="NULL")


def show_dead_letter(
    con: DuckDBPyConnection, dead_letter_id: str, *, with_payload: bool = False, dead_letters: DeadLettersNow = IN_LAKE
) -> DeadLetter:
    """Return one dead letter of any status. Raises: UsageError where the id matches none or several."""
    chosen, payload = DeadLetterFilter(ids=(dead_letter_id,), statuses=()), "payload" if with_payload else "NULL"
    found = _read(con, chosen, dead_letters, limit=2, payload=payload)
    if len(found) != 1:
        named = "Several dead letters have" if found else "No dead letter has"
        raise UsageError(
            f"{named} an id that begins with {dead_letter_id}.",
            next_move="`dataflow dlq list` shows the ids.",
        )
    return found[0]


def read_events(con: DuckDBPyConnection, dead_letter_id: str) -> list[dict[str, Any]]:
    """Return what has become of a dead letter, oldest first; nothing where the role or an older lake has no events."""
    try:
        return fetch_records(
            con,
            f"SELECT occurred_at AS at, state, author AS by, reason AS why, _run_id AS run"
            f" FROM {DEAD_LETTER_EVENT.in_lake} WHERE dead_letter_id = {literal(dead_letter_id)}"
            f" ORDER BY {OLDEST_FIRST}",
        )
    except CatalogException:
        return []


def replay_dead_letters(
    con: DuckDBPyConnection,
    inbox: Inbox,
    chosen: DeadLetterFilter,
    *,
    who: str,
    now: datetime,
    dead_letters: DeadLettersNow = IN_LAKE,
) -> int:
    """Decide that the next run validates dead letters again; return how many.

    Open and discarded ones can be replayed. Raises: UsageError for an id that matches none of these.
    """
    ids = _chosen_ids(con, chosen, dead_letters, allowed=REPLAYABLE)
    _write(inbox, "replay", ids, who=who, why="", now=now)
    return len(ids)


def decidable(
    con: DuckDBPyConnection,
    chosen: DeadLetterFilter,
    *,
    statuses: Sequence[str],
    dead_letters: DeadLettersNow = IN_LAKE,
) -> DeadLetterFilter:
    """Return the filter of the dead letters that a decision on `chosen` applies to: those of these statuses.

    Raises: UsageError for an id that matches none of them.
    """
    if chosen.ids:
        _chosen_ids(con, chosen, dead_letters, allowed=statuses)
    return _of_statuses(chosen, statuses)


def discard_dead_letters(
    con: DuckDBPyConnection,
    inbox: Inbox,
    chosen: DeadLetterFilter,
    *,
    who: str,
    why: str,
    now: datetime,
    dead_letters: DeadLettersNow = IN_LAKE,
) -> int:
    """Decide that dead letters stay out; return how many. They are kept, with the person and the reason.

    Raises: UsageError without a person and a reason, or for an id that matches no open dead letter.
    """
    check_reason(who, why, "Discarding")
    ids = _chosen_ids(con, chosen, dead_letters, allowed=WAITING)
    _write(inbox, "discard", ids, who=who, why=why, now=now)
    return len(ids)


def _read(
    con: DuckDBPyConnection, chosen: DeadLetterFilter, dead_letters: DeadLettersNow, *, limit: int, payload: str
) -> list[DeadLetter]:
    rows = con.execute(f"""
        SELECT dead_letter_id, _source, _object, stage, rules, reason, status, {dead_letters.is_waiting}, attempts,
            locator, first_seen_at, last_seen_at, decided_by, decision_reason, {payload} AS payload
        FROM {dead_letters.relation} WHERE {chosen.sql} ORDER BY last_seen_at DESC, dead_letter_id LIMIT {limit}
    """).fetchall()
    names = tuple(DeadLetter.__dataclass_fields__)
    return [DeadLetter(**(dict(zip(names, row, strict=True)) | {"rules": tuple(row[4])})) for row in rows]


def _chosen_ids(
    con: DuckDBPyConnection, chosen: DeadLetterFilter, dead_letters: DeadLettersNow, *, allowed: Sequence[str]
) -> list[str]:
    """Return the ids of the chosen dead letters whose status allows the decision."""
    condition = _of_statuses(chosen, allowed).sql
    ids = [
        str(dead_letter_id)
        for (dead_letter_id,) in con.execute(
            f"SELECT dead_letter_id FROM {dead_letters.relation} WHERE {condition} ORDER BY dead_letter_id"
        ).fetchall()
    ]
    for beginning in chosen.ids:
        if not any(dead_letter_id.startswith(beginning) for dead_letter_id in ids):
            raise UsageError(
                f"No dead letter with the status {' or '.join(allowed)} has an id that begins with {beginning}."
            )
    return ids


def _of_statuses(chosen: DeadLetterFilter, allowed: Sequence[str]) -> DeadLetterFilter:
    return replace(
        chosen, statuses=tuple(one for one in (chosen.statuses if not chosen.ids else allowed) if one in allowed)
    )


def _write(inbox: Inbox, decision: str, ids: Sequence[str], *, who: str, why: str, now: datetime) -> None:
    """Write the decision to the inbox, in messages of at most MOST_IDS dead letters."""
    for start in range(0, len(ids), MOST_IDS):
        body = {
            "decision": decision,
            "dead_letter_ids": ids[start : start + MOST_IDS],
            "decided_by": who,
            "reason": why,
        }
        inbox.write(KIND, author=who, body=DeadLetterDecision.model_validate(body).as_body(), now=now)
