"""Bound how many records a new model moves to other customer ids.

People and systems outside store customer ids. A day's merges and splits follow from that day's records; a new model can
also move the ids of customers without new records, so their number has a budget, and a model over it is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dataflow.errors import AuditRefused
from dataflow.tables.resolved import XREF
from dataflow.workspace.workspace import Workspace
from lakehouse.table import literal


@dataclass(frozen=True)
class Churn:
    """Of the `records` with a customer before and after, `moved` have another one."""

    records: int
    moved: int

    @property
    def share(self) -> float:
        return self.moved / self.records if self.records else 0.0


def measure_churn(ws: Workspace, kinds: Iterable[str]) -> Churn:
    """Compare the staged crosswalk of these entity types with the one before the run."""
    chosen = ", ".join(["''", *(literal(kind) for kind in sorted(kinds))])
    row = ws.con.execute(f"""
        SELECT count(*), count(*) FILTER (WHERE n.customer_id <> o.customer_id)
        FROM {XREF.sql_name} n JOIN {ws.before(XREF)} o USING (record_id) WHERE n.entity_type IN ({chosen})
    """).fetchone()
    records, moved = row or (0, 0)
    return Churn(records, moved)


def refuse_churn(churn: Churn, *, budget: float) -> None:
    """Refuse a new model that moves more than `budget`, a share of the records. Raises: AuditRefused."""
    if churn.share <= budget:
        return
    counts = f"{churn.moved:,} of {churn.records:,} records ({churn.share:.2%}) would change their customer"
    raise AuditRefused(
        f"Publishing a new model was refused: {counts}; resolve.id_churn_budget allows {budget:.2%}.",
        next_move="`dataflow plan --retrain` shows what would change. Raise the budget for one run with "
        "DATAFLOW_RESOLVE__ID_CHURN_BUDGET=SHARE, or judge more pairs first (dataflow review list).",
        failed=(f"resolved.xref: id churn ({counts})",),
    )
