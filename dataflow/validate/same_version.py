"""Find records that a run received several times with one version and different values.

Within one window such rows hold the object back (land/unique.py). In windows of their own they can be corrections,
which count, or different records under one key, of which all but one are lost: the run names them.
"""

from __future__ import annotations

from dataflow.sources.rows import key_fields
from dataflow.validate.cast import TYPED
from dataflow.validate.newest import GOOD, NEWEST
from dataflow.validate.plan import ObjectPlan
from dataflow.workspace.workspace import Workspace
from lakehouse.query import fetch_int
from lakehouse.table import quote

_NAMED = 5


def describe_same_versions(ws: Workspace, plan: ObjectPlan) -> list[str]:
    """Return the note that counts these records and names the fields in which their rows differ; empty: none do.

    An object without cursor has no versions of its source, and one that is read again declares that its rows change
    under their version.
    """
    declared = plan.settings
    fields = [name for name in declared.fields if name not in (*key_fields(declared), declared.cursor)]
    if not declared.cursor or declared.reread_every_hours or not fields or not _has_former(ws):
        return []
    differs = {name: f"n.{quote(name)} IS DISTINCT FROM g.{quote(name)}" for name in fields}
    figures = ", ".join(f"count(DISTINCT k._record_key) FILTER ({condition})" for condition in differs.values())
    count, *found = ws.con.execute(f"""
        SELECT count(DISTINCT k._record_key), {figures}
        FROM {NEWEST} k JOIN {GOOD} o ON o._record_key = k._record_key AND o._changed_at = k._changed_at
            AND o._row_hash <> k._row_hash AND NOT o._is_deleted AND NOT k._is_deleted
        JOIN {TYPED} n ON n._row_id = k._row_id JOIN {TYPED} g ON g._row_id = o._row_id
        WHERE {" OR ".join(differs.values())}
    """).fetchall()[0]
    if not count:
        return []
    named = [name for name, records in sorted(zip(fields, found, strict=True), key=lambda one: -one[1]) if records]
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return [
        f"{count:,} records of {plan.full_name} were received with the same {declared.cursor} and different values of "
        f"{', '.join(named[:_NAMED])}{more}: the rows of the latest window count. Where they are different records, "
        f"the key {declared.key} is not unique: declare one that is"
    ]


def _has_former(ws: Workspace) -> bool:
    """Return whether a record has several rows at all."""
    return fetch_int(ws.con, f"SELECT (SELECT count(*) FROM {GOOD}) - (SELECT count(*) FROM {NEWEST})") > 0
