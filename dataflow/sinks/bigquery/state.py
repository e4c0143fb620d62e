"""Read what a dataset shows: its publication, the counts of that, its tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from dataflow.errors import SinkError
from dataflow.sinks.bigquery.client import Connection
from dataflow.sinks.bigquery.ddl import find_table, update_table
from dataflow.sinks.bigquery.jobs import Jobs
from dataflow.sinks.bigquery.shape import PUBLICATION, PUBLICATION_FIELDS, Place
from dataflow.sinks.protocol import Shown

_COMPARED = "dataflow_compared"
"""The label with the day on which all rows were last compared with the lake's."""
COMPARE_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class State:
    """What a dataset shows. `counts`: table to its number of rows, as the publication has left it."""

    shown: Shown | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


def read_state(connection: Connection, place: Place) -> State:
    """Return what the dataset shows. Raises: SinkError."""
    from google.api_core.exceptions import NotFound
    from google.cloud import bigquery

    fields = [bigquery.SchemaField.from_api_repr(field) for field in PUBLICATION_FIELDS]
    try:
        rows = connection.list_all(
            "Reading the publication",
            "list_rows",
            f"{place}.{PUBLICATION}",
            selected_fields=fields,
            max_results=2,
        )
    except NotFound:
        return State()
    if len(rows) > 1:
        raise SinkError(
            f"{place}.{PUBLICATION} has more than one row.", next_move="Empty it: `dataflow sinks adopt warehouse`."
        )
    if not rows:
        return State()
    shown = Shown(int(rows[0]["publication"]), str(rows[0]["lake_id"]))
    return State(shown=shown, counts=_counts(str(rows[0]["row_counts"])))


def list_tables(connection: Connection, dataset: str) -> set[str]:
    """Return the names of a dataset's tables and views; none where there is no dataset. Raises: SinkError."""
    from google.api_core.exceptions import NotFound

    try:
        found = connection.list_all(f"Listing the tables of {dataset}", "list_tables", dataset)
    except NotFound:
        return set()
    return {str(table.table_id) for table in found}


def is_comparison_due(connection: Connection, place: Place, today: date) -> bool:
    """Return whether all rows were last compared a week ago or earlier. Raises: SinkError."""
    present: Any = connection.find("Reading when rows were compared", "get_table", f"{place}.{PUBLICATION}")
    labels = (present.labels or {}) if present is not None else {}
    try:
        last = date.fromisoformat(labels.get(_COMPARED, ""))
    except ValueError:
        return True
    return (today - last).days >= COMPARE_DAYS


def note_comparison(jobs: Jobs, place: Place, today: date) -> None:
    """Note that all rows were compared. Raises: SinkError."""
    present: Any = find_table(jobs, place, PUBLICATION)
    resource = present.to_api_repr()
    resource["labels"] = {**resource.get("labels", {}), _COMPARED: today.isoformat()}
    update_table(jobs, present, resource, ["labels"])


def _counts(text: str) -> dict[str, int]:
    try:
        return {str(name): int(count) for name, count in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        return {}
