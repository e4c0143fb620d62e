"""Dead letters in an operator's hands: look at them, try them again, or let them go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import duckdb

from dataflow.errors import UsageError
from dataflow.runs import name_run
from dataflow.settings import Settings
from dataflow.status import read_rows
from dataflow.storage import open_lake
from dataflow.tables.ops import DEAD_LETTERS
from lakehouse.table import literal

_LISTED = "dead_letter_id, _source AS source, _object AS object, locator, rule, reason, status, attempts, first_seen_at"
NewStatus = Literal["replaying", "discarded"]


def list_letters(
    con: duckdb.DuckDBPyConnection,
    *,
    source: str | None,
    object_name: str | None,
    rule: str | None,
    status: str | None,
    limit: int,
) -> list[dict[str, Any]]:
    """List dead letters, newest first, without what they hold."""
    chosen = _condition(source, object_name, rule, [status] if status else [])
    return read_rows(
        con,
        f"SELECT {_LISTED} FROM lake.{DEAD_LETTERS.sql_name} WHERE {chosen}"
        f" ORDER BY last_seen_at DESC, dead_letter_id LIMIT {int(limit)}",
    )


def read_letter(con: duckdb.DuckDBPyConnection, letter_id: str) -> dict[str, Any]:
    """Read one dead letter whole; the start of its id will do. Raises: UsageError for none or several."""
    found = read_rows(
        con,
        f"SELECT * FROM lake.{DEAD_LETTERS.sql_name} WHERE starts_with(dead_letter_id, {literal(letter_id)}) LIMIT 2",
    )
    if len(found) != 1:
        raise UsageError(
            f"{'No dead letter has' if not found else 'Several dead letters have'} an id that starts with {letter_id}.",
            next_move="List them with: dataflow dlq list",
        )
    return found[0]


def mark_letters(
    settings: Settings,
    status: NewStatus,
    *,
    ids: Sequence[str],
    source: str | None,
    object_name: str | None,
    rule: str | None,
    now: datetime,
) -> int:
    """Give the chosen open dead letters a new status, in one lake transaction; returns how many.

    The next run validates those that are `replaying` again. Without ids, all that agree with the filters are chosen.
    """
    condition = _condition(source, object_name, rule, ["open", "replaying"])
    if ids:
        condition += " AND (" + " OR ".join(f"starts_with(dead_letter_id, {literal(i)})" for i in ids) + ")"
    table = f"lake.{DEAD_LETTERS.sql_name}"

    def mark(con: duckdb.DuckDBPyConnection) -> None:
        con.execute(f"UPDATE {table} SET status = {literal(status)} WHERE {condition}")

    with open_lake(settings, purpose=f"dead letters: {status}") as lake:
        if DEAD_LETTERS.full_name not in lake.tables():
            return 0
        row = lake.con.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()
        count = int(row[0]) if row else 0
        if count:
            lake.transact(
                mark, author="dataflow", run_id=name_run("dlq", now), message=f"{count} dead letters {status}"
            )
        return count


def _condition(source: str | None, object_name: str | None, rule: str | None, statuses: Sequence[str]) -> str:
    wanted = {"_source": source, "_object": object_name, "rule": rule}
    terms = [f"{column} = {literal(value)}" for column, value in wanted.items() if value is not None]
    if statuses:
        terms.append(f"status IN ({', '.join(literal(status) for status in statuses)})")
    return " AND ".join(terms) or "true"
