"""How right the published customers are, where the sample's truth is there to say."""

from __future__ import annotations

from pathlib import Path

import duckdb

from dataflow.resolve.own_file.evaluate import Evaluation, evaluate
from dataflow.settings import Settings
from lakehouse.table import literal

PREDICTED = "SELECT record_id, customer_id AS cluster FROM published.xref"


def truth_file(settings: Settings) -> Path:
    """Where the sample's truth is, if there is a sample."""
    return Path(settings.sample) / "truth" / "truth.parquet"


def measure_quality(con: duckdb.DuckDBPyConnection, settings: Settings) -> Evaluation | None:
    """Compare the published crosswalk with the sample's truth; None where there is no truth about these records.

    `con` finds the lake's schemas, or those of a workspace over it.
    """
    file = truth_file(settings)
    if not file.is_file():
        return None
    found = evaluate(con, PREDICTED, truth_sql(file))
    return found if found.records else None


def truth_sql(file: Path) -> str:
    """SELECT of (record_id, cluster). The truth knows tickets; the record behind a ticket is its requester."""
    return f"""
        WITH known AS (SELECT source || '|' || object || '|' || record_key AS key, entity_id, object
            FROM read_parquet({literal(str(file))}))
        SELECT key AS record_id, entity_id AS cluster FROM known WHERE object <> 'ticket'
        UNION ALL
        SELECT t.record_id, min(k.entity_id) AS cluster FROM known k
        JOIN conformed.ticket t ON t.ticket_id = k.key WHERE k.object = 'ticket' GROUP BY t.record_id
    """
