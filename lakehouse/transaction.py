"""Lake transactions: atomic, and repeated whole when a concurrent commit won."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import duckdb
from duckdb import DuckDBPyConnection
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from lakehouse.errors import LakeConflict
from lakehouse.location import LakeLocation
from lakehouse.settle import settle
from lakehouse.table import DATABASE, literal
from lakehouse.translate import is_conflict

T = TypeVar("T")


def commit(
    con: DuckDBPyConnection,
    work: Callable[[DuckDBPyConnection], T],
    *,
    location: LakeLocation,
    author: str,
    run_id: str,
    message: str,
    attempts: int,
) -> T:
    """Run `work` between BEGIN and COMMIT, leaving author, run id and message in the snapshot.

    Raises: LakeConflict when every attempt lost; whatever `work` or the commit raises, after rolling back.
    """
    retrying = Retrying(
        retry=retry_if_exception(is_conflict),
        # Jitter: writers that conflicted must not retry at the same time.
        wait=wait_random_exponential(multiplier=0.05, max=3),
        stop=stop_after_attempt(attempts),
        retry_error_callback=_give_up,
    )

    def attempt() -> T:
        return _attempt(con, work, location=location, author=author, run_id=run_id, message=message)

    return retrying(attempt)


def _attempt(
    con: DuckDBPyConnection,
    work: Callable[[DuckDBPyConnection], T],
    *,
    location: LakeLocation,
    author: str,
    run_id: str,
    message: str,
) -> T:
    token = uuid.uuid4().hex
    extra = literal(json.dumps({"run_id": run_id, "commit": token}))
    con.execute("BEGIN")
    try:
        result = work(con)
        con.execute(
            f"CALL ducklake_set_commit_message({literal(DATABASE)}, {literal(author)}, {literal(message)},"
            f" extra_info => {extra})"
        )
    except BaseException:
        roll_back(con)
        raise
    try:
        con.execute("COMMIT")
    except BaseException as error:
        roll_back(con)
        if is_conflict(error):
            raise
        # Any other error of COMMIT can have occurred after the catalogue committed.
        if not settle(con, location, token):
            raise
    return result


def roll_back(con: DuckDBPyConnection) -> None:
    """Roll back the transaction if it is still open: a failed COMMIT has ended it."""
    with suppress(duckdb.Error):
        con.execute("ROLLBACK")


def _give_up(state: RetryCallState) -> object:
    error = state.outcome.exception() if state.outcome else None
    raise LakeConflict(
        f"Committing to the lake: another writer committed first in each of {state.attempt_number} attempts; "
        "run again when there are fewer writers"
    ) from error
