"""What a publication starts: the trigger `published` in prefect.yaml passes the event."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.artifacts import create_table_artifact


@flow(name="after-publication", persist_result=False)
def after_publication(event: dict[str, Any]) -> None:
    """Note the publication as an artifact: its number, run, time and the tables that changed, no rows."""
    create_table_artifact(
        [{"publication": event["publication"], "run": event["run_id"], "table": table} for table in event["tables"]],
        key="publication",
        description=f"Publication {event['publication']} of lake {event['lake_id']}, {event['published_at']}",
    )
