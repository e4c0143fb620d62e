"""Count what a run report shows about identity."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dataflow.tables.ops import REVIEW_QUEUE
from dataflow.tables.resolved import EDGE, GOLDEN_CUSTOMER, IDENTITY_EVENT
from dataflow.workspace.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class IdentitySummary:
    """Counts over the lake as the run leaves it; `events`, `compared_pairs` and `crowded_keys` count this run only.

    weights: [entity type, lower bound of the match weight, pairs]; cluster_sizes: [entity type, records, customers];
    review: [entity type, reason, pairs]; conflicts: [field, customers whose records differ in it]. crowded_keys:
    [entity type, blocking rule, keys of changed records over their cap, records of the largest].
    """

    weights: list[list[Any]]
    cluster_sizes: list[list[Any]]
    review: list[list[Any]]
    conflicts: list[list[Any]]
    events: dict[str, int]
    compared_pairs: int
    crowded_keys: list[list[Any]]
    seconds: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def summarise(
    ws: Workspace, *, compared_pairs: int, crowded_keys: list[list[Any]], seconds: dict[str, float]
) -> IdentitySummary:
    """Count edges by weight, customers by size, pairs in review, events."""
    events = ws.con.execute(f"""
        SELECT kind, count(*) FROM {IDENTITY_EVENT.sql_name} SEMI JOIN ({ws.changed(IDENTITY_EVENT)}) USING (event_id)
        GROUP BY kind ORDER BY kind
    """).fetchall()
    return IdentitySummary(
        weights=_rows(ws, f"SELECT entity_type, floor(match_weight)::INT, count(*) FROM {EDGE.sql_name} GROUP BY ALL"),
        cluster_sizes=_rows(
            ws, f"SELECT entity_type, record_count, count(*) FROM {GOLDEN_CUSTOMER.sql_name} GROUP BY ALL"
        ),
        review=_rows(ws, f"SELECT entity_type, reason, count(*) FROM {REVIEW_QUEUE.sql_name} GROUP BY ALL"),
        conflicts=_rows(
            ws,
            f"SELECT field, count(*) FROM (SELECT unnest(conflicts) AS field FROM {GOLDEN_CUSTOMER.sql_name})"
            " GROUP BY field",
        ),
        events={str(kind): int(count) for kind, count in events},
        compared_pairs=compared_pairs,
        crowded_keys=crowded_keys,
        seconds={name: round(value, 3) for name, value in seconds.items()},
    )


def _rows(ws: Workspace, sql: str) -> list[list[Any]]:
    return [list(row) for row in ws.con.execute(f"{sql} ORDER BY ALL").fetchall()]
