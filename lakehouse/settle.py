"""Settle a commit to a catalogue server whose answer was lost.

When the connection breaks during COMMIT, DuckLake takes the transaction as failed and deletes its data files. If the
server has committed it, the catalogue then lists missing files (measured November 2026). Such a commit is undone here,
so that the lake is unchanged and the caller can retry. A catalogue in a file does not have this problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from duckdb import DuckDBPyConnection
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from lakehouse.deferred import deferred
from lakehouse.errors import LakeIncompatible, LakeUnreachable
from lakehouse.lease import server_connection
from lakehouse.location import LakeLocation, PostgresCatalogue
from lakehouse.table import literal

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

    _Server = psycopg.Connection[tuple[object, ...]]
else:
    psycopg = deferred("psycopg")
    sql = deferred("psycopg.sql")

# A managed PostgreSQL is unreachable for about a minute while its standby takes over.
_PATIENCE_SECONDS = 90.0


@dataclass(frozen=True)
class _Commit:
    """A snapshot found by the token its transaction left in it."""

    id: int
    changes: str
    is_newest: bool


def settle(con: DuckDBPyConnection, location: LakeLocation, token: str) -> bool:
    """Return whether the commit with `token` is valid; undo one that lost its files.

    Raises: LakeUnreachable when the server stays unreachable; LakeIncompatible when later commits depend on it.
    """
    catalogue = location.catalogue
    if not isinstance(catalogue, PostgresCatalogue):
        return False
    retrying = Retrying(
        retry=retry_if_exception_type(LakeUnreachable),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        stop=stop_after_delay(_PATIENCE_SECONDS),
    )
    try:
        return retrying(_settle, con, catalogue, location.data_path, token)
    except RetryError as error:
        raise LakeUnreachable(
            f"The connection to {catalogue} broke during a commit, and the server stays unreachable: whether snapshot "
            "and files are complete is unknown; when it is back, check that the newest snapshot can be read"
        ) from error


def _settle(con: DuckDBPyConnection, catalogue: PostgresCatalogue, data_path: str, token: str) -> bool:
    with server_connection(catalogue, purpose="settle a commit") as server, server.transaction():
        server.execute(sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(catalogue.schema)))
        # Waits for the broken connection's transaction, which can still commit, and excludes others.
        server.execute("SET LOCAL lock_timeout = '30s'")
        server.execute("LOCK TABLE ducklake_snapshot IN SHARE ROW EXCLUSIVE MODE")
        found = _find(server, token)
        if found is None:
            return False
        missing = [path for path in _files(server, found.id, data_path) if not _exists(con, path)]
        if missing:
            _undo(server, catalogue, found, missing=len(missing))
        return not missing


def _find(server: _Server, token: str) -> _Commit | None:
    row = server.execute(
        "SELECT snapshot_id, changes_made, snapshot_id = (SELECT max(snapshot_id) FROM ducklake_snapshot)"
        " FROM ducklake_snapshot_changes WHERE strpos(commit_extra_info, %s) > 0",
        (token,),
    ).fetchone()
    return _Commit(int(str(row[0])), str(row[1]), bool(row[2])) if row else None


def _files(server: _Server, snapshot: int, data_path: str) -> list[str]:
    """Return the full paths of the files that a snapshot added."""
    rows = server.execute(
        "WITH f AS (SELECT path, path_is_relative, table_id FROM ducklake_data_file WHERE begin_snapshot = %(at)s"
        " UNION ALL SELECT path, path_is_relative, table_id FROM ducklake_delete_file WHERE begin_snapshot = %(at)s)"
        " SELECT DISTINCT CASE WHEN NOT f.path_is_relative THEN f.path"
        " WHEN NOT t.path_is_relative THEN t.path || f.path"
        " WHEN NOT s.path_is_relative THEN s.path || t.path || f.path"
        " ELSE %(root)s || s.path || t.path || f.path END"
        " FROM f JOIN ducklake_table t ON t.table_id = f.table_id"
        " JOIN ducklake_schema s ON s.schema_id = t.schema_id",
        {"at": snapshot, "root": data_path},
    ).fetchall()
    return [str(path) for (path,) in rows]


def _exists(con: DuckDBPyConnection, path: str) -> bool:
    if "://" not in path:
        return Path(path).exists()
    row = con.execute(f"SELECT count(*) FROM glob({literal(path)})").fetchone()
    return bool(row and row[0])


def _undo(server: _Server, catalogue: PostgresCatalogue, commit: _Commit, *, missing: int) -> None:
    """Remove a snapshot from the catalogue: delete the rows that it began, reopen those that it ended."""
    changes = commit.changes.split(",")
    is_data_only = all(change.startswith(("inserted_into_table:", "deleted_from_table:")) for change in changes)
    if not commit.is_newest and not is_data_only:
        raise LakeIncompatible(
            f"Snapshot {commit.id} was committed while the connection broke, {missing} of its files are gone, and "
            f"others have committed since; restore the lake to snapshot {commit.id - 1}"
        )
    at = (commit.id,)
    server.execute(
        "DELETE FROM ducklake_file_column_stats WHERE data_file_id IN"
        " (SELECT data_file_id FROM ducklake_data_file WHERE begin_snapshot = %s)",
        at,
    )
    for statement, column in (
        ("UPDATE {} SET end_snapshot = NULL WHERE end_snapshot = %s", "end_snapshot"),
        ("DELETE FROM {} WHERE begin_snapshot = %s", "begin_snapshot"),
        ("DELETE FROM {} WHERE snapshot_id = %s", "snapshot_id"),
    ):
        for name in _tables_with(server, catalogue.schema, column):
            server.execute(sql.SQL(statement).format(sql.Identifier(name)), at)


def _tables_with(server: _Server, schema: str, column: str) -> list[str]:
    rows = server.execute(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = %s AND column_name = %s",
        (schema, column),
    ).fetchall()
    return [str(name) for (name,) in rows]
