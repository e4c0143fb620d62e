"""With which settings each table was last computed: a changed mapping, field or check computes its table anew.

Without it a run would only apply new settings to new rows, and the table would hold rows of both kinds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from dataflow.tables.ops import RECIPE
from dataflow.workspace.workspace import Workspace
from lakehouse.table import literal


def fingerprint(**parts: object) -> str:
    """MD5 of what shapes a table."""
    return hashlib.md5(json.dumps(parts, sort_keys=True, default=str).encode(), usedforsecurity=False).hexdigest()


def known_recipes(ws: Workspace) -> dict[str, str]:
    """The fingerprint of each table, by full name, as the run found it."""
    rows = ws.con.execute(f"SELECT table_name, fingerprint FROM {ws.before(RECIPE)}").fetchall()
    return {str(name): str(found) for name, found in rows}


def stage_recipes(ws: Workspace, recipes: Mapping[str, str]) -> None:
    """Keep the fingerprints of these tables, where they differ."""
    known = known_recipes(ws)
    changed = {name: found for name, found in recipes.items() if known.get(name) != found}
    if changed:
        rows = ", ".join(f"({literal(name)}, {literal(found)})" for name, found in changed.items())
        names = f"SELECT * FROM (VALUES {rows}) AS r (table_name, fingerprint)"
        ws.stage(RECIPE, names, scope=f"SELECT table_name FROM ({names})")
