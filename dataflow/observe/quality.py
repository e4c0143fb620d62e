"""Measure the published customers against the sample's truth."""

from __future__ import annotations

from pathlib import Path

import duckdb

from dataflow.resolve.own_file.evaluate import Evaluation, evaluate
from dataflow.settings import Settings
from lakehouse.table import file_literal

PREDICTED = "SELECT record_id, customer_id AS cluster FROM published.xref"


def truth_file(settings: Settings) -> Path:
    """Return the path of the sample's truth."""
    return Path(settings.sample) / "truth" / "truth.parquet"


def measure_quality(con: duckdb.DuckDBPyConnection, settings: Settings) -> Evaluation | None:
    """Compare the published crosswalk with the sample's truth; return None when it knows none of the records.

    `con` has the schemas of the lake, or those of a workspace.
    """
    file = truth_file(settings)
    if not file.is_file():
        return None
    found = evaluate(con, PREDICTED, truth_sql(file))
    return found if found.records else None


def truth_sql(file: Path) -> str:
    """Return a SELECT of (record_id, cluster); a ticket of the truth stands for the record of its requester."""
    return f"""
        WITH known AS (SELECT source || '|' || object || '|' || record_key AS key, entity_id, object
            FROM read_parquet({file_literal(file)}))
        SELECT key AS record_id, entity_id AS cluster FROM known WHERE object <> 'ticket'
        UNION ALL
        SELECT t.record_id, min(k.entity_id) AS cluster FROM known k
        JOIN conformed.ticket t ON t.ticket_id = k.key WHERE k.object = 'ticket' GROUP BY t.record_id
    """
