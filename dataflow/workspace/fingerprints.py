"""Keep the settings' fingerprint of each table: a changed mapping, field or check recomputes the whole table.

Otherwise a run would apply new settings to new rows only, and the table would mix rows of old and new settings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import duckdb

from dataflow.tables.ops import FINGERPRINT
from dataflow.workspace.workspace import Workspace
from lakehouse.query import fetch_int
from lakehouse.table import DATABASE, literal

_FORMER = "recipe"
"""The table's name in lakes made before December 2026; used only in this module."""


def hash_settings(**parts: object) -> str:
    """Return the MD5 of the settings that decide the rows of a table."""
    return hashlib.md5(json.dumps(parts, sort_keys=True, default=str).encode(), usedforsecurity=False).hexdigest()


def known_fingerprints(ws: Workspace) -> dict[str, str]:
    """Return the fingerprint of each table, by full name, at the base snapshot."""
    rows = ws.con.execute(f"SELECT table_name, fingerprint FROM {ws.before(FINGERPRINT)}").fetchall()
    return {str(name): str(found) for name, found in rows}


def stage_fingerprints(ws: Workspace, fingerprints: Mapping[str, str]) -> None:
    """Stage the fingerprints of these tables where they changed."""
    known = known_fingerprints(ws)
    changed = {name: found for name, found in fingerprints.items() if known.get(name) != found}
    if changed:
        rows = ", ".join(f"({literal(name)}, {literal(found)})" for name, found in changed.items())
        names = f"SELECT * FROM (VALUES {rows}) AS r (table_name, fingerprint)"
        ws.stage(FINGERPRINT, names, scope=f"SELECT table_name FROM ({names})")


def adopt_former_fingerprints(con: duckdb.DuckDBPyConnection) -> None:
    """Move the rows of the table under its former name to `ops.fingerprint`, inside the caller's lake transaction.

    Without them, the first run on an older lake would recompute every valid and conformed table.
    """
    stands = f"database_name = '{DATABASE}' AND schema_name = 'ops' AND table_name = '{_FORMER}'"
    if fetch_int(con, f"SELECT count(*) FROM duckdb_tables() WHERE {stands}"):
        unknown = f"FROM {DATABASE}.ops.{_FORMER} ANTI JOIN {FINGERPRINT.in_lake} USING (table_name)"
        con.execute(f"INSERT INTO {FINGERPRINT.in_lake} BY NAME {unknown}")
        con.execute(f"DROP TABLE {DATABASE}.ops.{_FORMER}")
