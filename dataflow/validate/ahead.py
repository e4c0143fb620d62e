"""Find records whose newest version is stamped after the run's clock: no later change shows until that time has come.

A source that answers queries is asked only up to its own clock (sources/ahead.py); a file delivers such rows as well.
"""

from __future__ import annotations

from datetime import timedelta

from dataflow.validate.newest import NEWEST
from dataflow.validate.plan import ObjectPlan
from dataflow.workspace.workspace import Workspace
from lakehouse.plural import counted
from lakehouse.table import timestamp_literal

_TOLERANCE = timedelta(days=1)
"""A date without a time zone and a clock that is a little off are no fault of the source."""


def describe_ahead(ws: Workspace, plan: ObjectPlan) -> list[str]:
    """Return the note that counts these records and gives the latest time; empty where the cursor is not a time.

    What is within `ahead_hours` of the clock is declared to be right.
    """
    declared = plan.settings
    if not declared.fields.get(declared.cursor, "").startswith(("TIMESTAMP", "DATE")):
        return []
    bound = ws.run.now + timedelta(hours=declared.ahead_hours) + _TOLERANCE
    count, latest = ws.con.execute(f"""
        SELECT count(*), strftime(max(_changed_at), '%Y-%m-%d %H:%M')
        FROM {NEWEST} WHERE _changed_at > {timestamp_literal(bound)}
    """).fetchall()[0]
    if not count:
        return []
    return [
        f"{declared.cursor} of {counted(count, 'record')} of {plan.full_name} is after the run's clock, up to {latest} "
        "UTC: a change of them that is stamped earlier does not count. Correct the source, or declare ahead_hours"
    ]
