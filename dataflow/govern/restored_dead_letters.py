"""Restore dead letters: the rows of the target snapshot, with the decisions made since laid over them.

A row that was discarded stays out when raw is read again. One that was replayed since is tried again by the next run,
which therefore has the same outcome as the run that the restore undid.
"""

from __future__ import annotations

from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from dataflow.tables.ops import DEAD_LETTERS
from dataflow.workspace.position import ObjectName
from lakehouse import LakeView
from lakehouse.table import column_list

_RESTORED = "restored_dead_letter"
"""Temporary table: the columns of ops.dead_letters, and of each row whether a later decision was laid over it
(`is_decided`) and whether that discards a row that is valid at the target (`is_valid`)."""

_EMPTY = ", ".join(f"NULL::{column.type} AS {column.name}" for column in DEAD_LETTERS.columns)


@dataclass(frozen=True)
class LaidOver:
    """The number of decisions laid over the target's dead letters, and the objects whose valid table they contradict.

    Such an object has a row that is valid at the target and was discarded as a dead letter since: only reading all of
    its raw rows again removes the row.
    """

    decisions: int
    contradicted: frozenset[ObjectName]


def lay_out_dead_letters(lake: LakeView, *, version: int, of: str = "true") -> LaidOver:
    """Fill restored_dead_letter from the present lake and from a snapshot.

    `of` is a condition on dead letters: which of them are restored. Call it before the transaction: inside one, a past
    snapshot of a table lacks the rows that the transaction deletes.
    """
    now = _dead_letters(lake, version=None)
    then = _dead_letters(lake, version=version)
    columns = column_list(DEAD_LETTERS.column_names, prefix="t")
    is_decided = """coalesce(t.status = 'open' AND n.status = 'replaying'
        OR t.status = 'discarded' AND n.status <> 'discarded', false)"""
    # Resolved since, possibly by a replay: replayed again, it is resolved again.
    is_resolved = "coalesce(t.status = 'open' AND n.status = 'resolved', false)"
    lake.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {_RESTORED} AS
        WITH rows_now AS (SELECT * FROM ({now}) WHERE {of}),
        rows_then AS (SELECT * FROM ({then}) WHERE {of}),
        went_back AS (
            SELECT {columns}, {is_decided} AS is_decided, {is_resolved} AS is_resolved, false AS is_valid
            FROM rows_then t LEFT JOIN rows_now n ON n.dead_letter_id = t.dead_letter_id
            WHERE n.status IS DISTINCT FROM 'discarded'
        )
        SELECT n.*, false AS is_resolved, t.status IS DISTINCT FROM 'discarded' AS is_decided,
            coalesce(t.status = 'resolved', false) AS is_valid
        FROM rows_now n LEFT JOIN rows_then t ON t.dead_letter_id = n.dead_letter_id WHERE n.status = 'discarded'
        UNION ALL BY NAME
        SELECT * REPLACE (CASE WHEN is_decided OR is_resolved THEN 'replaying' ELSE status END AS status) FROM went_back
    """)
    rows = lake.con.execute(f"""
        SELECT _source, _object, count(*) FILTER (WHERE is_decided), bool_or(is_valid) FROM {_RESTORED} GROUP BY ALL
    """).fetchall()
    contradicted = frozenset((str(source), str(name)) for source, name, _, is_valid in rows if is_valid)
    return LaidOver(sum(int(count) for _, _, count, _ in rows), contradicted)


def write_dead_letters(con: DuckDBPyConnection, *, of: str = "true") -> None:
    """Replace the dead letters that `of` selects by restored_dead_letter, inside the caller's lake transaction."""
    columns = column_list(DEAD_LETTERS.column_names)
    con.execute(f"DELETE FROM {DEAD_LETTERS.in_lake} WHERE {of}")
    con.execute(f"INSERT INTO {DEAD_LETTERS.in_lake} ({columns}) SELECT {columns} FROM {_RESTORED}")


def _dead_letters(lake: LakeView, *, version: int | None) -> str:
    """Return the SELECT of the dead letters of a snapshot, by default the present one, in the declared columns."""
    if DEAD_LETTERS.full_name not in lake.tables(version):
        return f"SELECT {_EMPTY} WHERE false"
    past = "" if version is None else f" AT (VERSION => {version})"
    empty = f"SELECT {_EMPTY} WHERE false"
    # By name: a lake of an earlier version may lack a column.
    rows = f"{empty} UNION ALL BY NAME SELECT * FROM {DEAD_LETTERS.in_lake}{past}"
    return f"SELECT {column_list(DEAD_LETTERS.column_names)} FROM ({rows})"
