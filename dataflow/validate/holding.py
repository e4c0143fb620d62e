"""Hold an object back that has more bad rows than its limit, or rows that share a key: the others are published.

Its valid table stays as it was and its position does not move, so its new rows wait in raw; the next run validates
them again. The run ends as partial and names the object, what breaks, how often and the next move.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dataflow.settings.model import ValidateSettings
from dataflow.tables.ops import GAP, LANDED_BY
from dataflow.validate.incoming import INCOMING
from dataflow.validate.plan import ObjectPlan
from dataflow.validate.verdict import BREACH, CHECK
from dataflow.workspace.landed_by import held_back, read_landed_by
from dataflow.workspace.workspace import Workspace
from lakehouse.query import fetch_int

_REASONS = 3
"""How many of the reasons a message names, the most frequent first."""


def incomplete_objects(ws: Workspace) -> set[str]:
    """List the objects with an open gap, as `source.object`: rows that refer to their records wait for these."""
    rows = ws.con.execute(f"SELECT DISTINCT source, object FROM {GAP.sql_name} WHERE status = 'open'").fetchall()
    return {f"{source}.{name}" for source, name in rows}


def held_objects(ws: Workspace, plans: Iterable[Iterable[ObjectPlan]]) -> dict[str, str]:
    """Return the objects that are held back before their rows are judged, as `source.object`, each with the reason.

    A window has rows that share a key, or the rows in raw were landed by another key, cursor or deletion.
    """
    known = read_landed_by(ws.con, ws.before(LANDED_BY))
    changed = {
        plan.full_name: f"held back: {error}"
        for row in plans
        for plan in row
        if (error := held_back(plan.key, known.get(plan.key), plan.settings))
    }
    rows = ws.con.execute(f"""
        SELECT source || '.' || object, first(detail ORDER BY window_from) FROM {GAP.sql_name}
        WHERE status = 'open' AND reason = 'key' GROUP BY 1
    """).fetchall()
    return {str(name): f"held back: {detail}" for name, detail in rows} | changed


def reason_to_hold(
    ws: Workspace, plan: ObjectPlan, *, limits: ValidateSettings, waiting: Collection[str]
) -> str | None:
    """Say why the object of INCOMING and BREACH is held back; None where it is not.

    Replays do not count, nor rows that only lack a parent of an object in `waiting`: these follow when it is complete.
    """
    fresh = fetch_int(ws.con, f"SELECT count(*) FROM {INCOMING} WHERE NOT was_dead")
    counted = f"""
        SELECT row_id, first(rule ORDER BY phase, ordinal) AS rule, first(reason ORDER BY phase, ordinal) AS reason
        FROM {BREACH} WHERE NOT ({_waits_for(plan, waiting)})
        AND row_id IN (SELECT _row_id FROM {INCOMING} WHERE NOT was_dead) GROUP BY row_id
    """
    bad = fetch_int(ws.con, f"SELECT count(*) FROM ({counted})")
    if bad < limits.dead_letter_limit_floor or bad <= limits.dead_letter_limit_share * fresh:
        return None
    reasons = ws.con.execute(
        f"SELECT rule, reason, count(*) FROM ({counted}) GROUP BY ALL ORDER BY 3 DESC, 1, 2 LIMIT {_REASONS}"
    ).fetchall()
    described = "; ".join(f"{rule}: {reason}, {count:,} rows" for rule, reason, count in reasons)
    return (
        f"held back: {bad:,} of {fresh:,} new rows break a rule ({described}), above the limit of "
        f"{limits.dead_letter_limit_share:.1%}; what was published of it stays, its new rows wait in raw. Correct the "
        "source or the declared rules and types, or raise validation.dead_letter_limit_share, and run again"
    )


def _waits_for(plan: ObjectPlan, waiting: Collection[str]) -> str:
    """Return the SQL condition on BREACH: a record of an object in `waiting` is referred to and is not there."""
    numbers = [
        str(number) for number, check in enumerate(plan.checks) if set(check.arguments.named_objects()) & set(waiting)
    ]
    return f"phase = {CHECK} AND ordinal IN ({', '.join(numbers)})" if numbers else "false"
