"""Keep the settings' fingerprint of each table: a changed mapping, field or check recomputes the whole table.

Otherwise a run would apply new settings to new rows only, and the table would mix rows of old and new settings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from dataflow.tables.ops import RECIPE
from dataflow.workspace.workspace import Workspace
from lakehouse.table import literal


def fingerprint(**parts: object) -> str:
    """Return the MD5 of the settings that decide the rows of a table."""
    return hashlib.md5(json.dumps(parts, sort_keys=True, default=str).encode(), usedforsecurity=False).hexdigest()


def known_recipes(ws: Workspace) -> dict[str, str]:
    """Return the fingerprint of each table, by full name, at the base snapshot."""
    rows = ws.con.execute(f"SELECT table_name, fingerprint FROM {ws.before(RECIPE)}").fetchall()
    return {str(name): str(found) for name, found in rows}


def stage_recipes(ws: Workspace, recipes: Mapping[str, str]) -> None:
    """Stage the fingerprints of these tables where they changed."""
    known = known_recipes(ws)
    changed = {name: found for name, found in recipes.items() if known.get(name) != found}
    if changed:
        rows = ", ".join(f"({literal(name)}, {literal(found)})" for name, found in changed.items())
        names = f"SELECT * FROM (VALUES {rows}) AS r (table_name, fingerprint)"
        ws.stage(RECIPE, names, scope=f"SELECT table_name FROM ({names})")
