"""Try the operations of a run without leaving traces: `doctor` must not pass what a run then fails on."""

from __future__ import annotations

import uuid
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from lakehouse.attach import attach, detach
from lakehouse.connect import connect
from lakehouse.deferred import deferred
from lakehouse.errors import LakeUnwritable
from lakehouse.lease import server_connection
from lakehouse.location import LakeLocation, PostgresCatalogue
from lakehouse.table import literal, qualified
from lakehouse.translate import translating

if TYPE_CHECKING:
    from psycopg import sql
else:
    sql = deferred("psycopg.sql")

_FILE_ROLES = ["pg_read_server_files", "pg_write_server_files", "pg_execute_server_program"]
_PRIVILEGES = """
    WITH place AS (SELECT to_regnamespace({schema}) AS id)
    SELECT words FROM (VALUES
        ('is a superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)),
        ('may reach the files of the server',
            (SELECT bool_or(pg_has_role(current_user, oid, 'USAGE')) FROM pg_roles WHERE rolname = ANY({files}))),
        ('may create schemas', has_database_privilege(current_database(), 'CREATE')),
        ('may create tables', (SELECT has_schema_privilege(id, 'CREATE') FROM place)),
        ('may write the catalogue''s tables',
            (SELECT bool_or(has_table_privilege(t.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))
             FROM pg_class t JOIN place ON t.relnamespace = id WHERE t.relkind IN ('r', 'p')))
    ) AS granted (words, is_granted) WHERE is_granted
"""


def probe_data(location: LakeLocation, *, scratch: Path) -> None:
    """Write a file below the data path, read it and remove it, like a run's transaction that is rolled back.

    It uses a separate catalogue in the folder `scratch`, so a run can be active meanwhile.
    Raises: LakeUnreachable, LakeUnwritable.
    """
    place = replace(location, catalogue=scratch / "probe.ducklake")
    name = f"probe_{uuid.uuid4().hex}"
    table, folder = qualified("main", name), f"{place.data_path}main/{name}/"
    doing = f"Writing to the lake's data at {place.data_path}"
    with translating(doing), closing(connect(extensions=place.extensions, threads=1)) as con:
        attach(con, place)
        con.execute("CALL lake.set_option('data_inlining_row_limit', 0)")
        try:
            con.execute("BEGIN")
            con.execute(f"CREATE TABLE {table} AS SELECT 1 AS written")
            con.execute(f"FROM {table}").fetchall()
        finally:
            with suppress(duckdb.Error):
                con.execute("ROLLBACK")
        left = con.execute(f"SELECT count(*) FROM glob({literal(folder + '*')})").fetchone()
        detach(con)
    _remove_folders(place, name)
    if left != (0,):
        raise LakeUnwritable(f"{doing}: the file written to {folder} was not removed; let this user delete there")


def write_privileges(catalogue: PostgresCatalogue) -> list[str]:
    """Return what the user of this catalogue can do beyond reading it; empty for a role with SELECT only.

    Raises: LakeUnreachable.
    """
    with server_connection(catalogue, purpose="look at privileges") as con:
        rows = con.execute(
            sql.SQL(_PRIVILEGES).format(schema=sql.Literal(catalogue.schema), files=sql.Literal(_FILE_ROLES))
        ).fetchall()
    return [str(words) for (words,) in rows]


def _remove_folders(place: LakeLocation, name: str) -> None:
    """Remove the empty directories of a rolled-back transaction from a folder; a bucket has none."""
    if isinstance(place.data, Path):
        for folder in (place.data / "main" / name, place.data / "main"):
            with suppress(OSError):
                folder.rmdir()
