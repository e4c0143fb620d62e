"""Create datasets, tables and views, and evolve tables additively; DDL is not allowed inside the transaction.

Nothing here replaces, truncates or copies a published table: row policies, tags and labels are lost by most of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dataflow.errors import SinkError
from dataflow.sinks.bigquery.googlesql import view_sql
from dataflow.sinks.bigquery.jobs import Jobs
from dataflow.sinks.bigquery.shape import (
    PUBLICATION,
    RETIRED,
    Evolution,
    Place,
    dataset_resource,
    evolve,
    publication_resource,
    table_resource,
    text,
    type_name,
    view_resource,
)
from dataflow.sinks.views import VIEWS
from dataflow.tables import published
from lakehouse.table import Table

_STAGED_DAYS = 1


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The tables whose rows are all to be written, and the columns that lose their values by that."""

    whole: frozenset[Table]
    retired: Mapping[Table, tuple[str, ...]]


def ensure_datasets(jobs: Jobs, place: Place) -> None:
    """Create the dataset of the published tables and the one of the staged. Raises: SinkError."""
    from google.cloud import bigquery

    for name, days, description in (
        (place.dataset, 0, "Published by DataFlow: customers and what is known of them"),
        (place.staging, _STAGED_DAYS, "Rows on their way into the published tables; for the publisher alone"),
    ):
        resource = dataset_resource(place, name, location=jobs.connection.location, description=description, days=days)
        doing = f"Creating the dataset {name}"
        if jobs.connection.find(doing, "get_dataset", f"{place.project}.{name}") is None:
            made = bigquery.Dataset.from_api_repr(resource)
            jobs.connection.ask(doing, "create_dataset", made, exists_ok=True)


def ensure_tables(jobs: Jobs, place: Place) -> Prepared:
    """Create what is missing and evolve what is there; return what is then to be written whole. Raises: SinkError."""
    whole: set[Table] = set()
    retired: dict[Table, tuple[str, ...]] = {}
    for table in published.TABLES:
        present = find_table(jobs, place, table.name)
        if present is None:
            create_table(jobs, table_resource(table, place))
            whole.add(table)
            continue
        if present.table_type != "TABLE":
            raise SinkError(
                f"{place}.{table.name} is a {present.table_type}, not a table.", next_move="Rename or remove it."
            )
        plan = evolve(table, present.to_api_repr().get("schema", {}).get("fields", []))
        _evolve(jobs, place, table, plan)
        if plan.is_rewrite:
            whole.add(table)
        if plan.retired:
            retired[table] = plan.retired
    if find_table(jobs, place, PUBLICATION) is None:
        create_table(jobs, publication_resource(place))
    return Prepared(whole=frozenset(whole), retired=retired)


def ensure_views(jobs: Jobs, place: Place) -> None:
    """Create the views that are missing, and correct those of another text. Raises: SinkError."""
    for view in VIEWS.values():
        resource = view_resource(view.name, view.description, view_sql(view, place), place)
        present = find_table(jobs, place, view.name)
        if present is None:
            create_table(jobs, resource)
        elif not is_view_as_declared(present, resource):
            _update(jobs, present, resource, ["view_query", "labels", "description"])


def is_view_as_declared(present: Any, resource: Mapping[str, Any]) -> bool:
    """Return whether a view in BigQuery has the declared text. A server that does not return it has the label."""
    text = getattr(present, "view_query", None)
    is_label = (present.labels or {}).get("dataflow_text") == resource["labels"]["dataflow_text"]
    return is_label and text in (None, resource["view"]["query"])


def mark_retired(jobs: Jobs, place: Place, retired: Mapping[Table, tuple[str, ...]]) -> None:
    """Describe columns that have lost their values as retired, so that they are not emptied again."""
    for table, columns in retired.items():
        present = find_table(jobs, place, table.name)
        if present is not None:
            resource = present.to_api_repr()
            for field in resource["schema"]["fields"]:
                if field["name"] in columns:
                    field["description"] = RETIRED
                    field["mode"] = "REPEATED" if field["mode"] == "REPEATED" else "NULLABLE"
            _update(jobs, present, resource, ["schema"])


def find_table(jobs: Jobs, place: Place, name: str) -> Any:
    """Return a table or view of the dataset; None where there is none. Raises: SinkError."""
    return jobs.connection.find(f"Reading the table {name}", "get_table", f"{place}.{name}")


def create_table(jobs: Jobs, resource: Mapping[str, Any]) -> None:
    """Create a table or view; one that another process has made meanwhile stays. Raises: SinkError."""
    from google.cloud import bigquery

    made = bigquery.Table.from_api_repr(dict(resource))
    name = resource["tableReference"]["tableId"]
    jobs.connection.ask(f"Creating {name}", "create_table", made, exists_ok=True)


def _evolve(jobs: Jobs, place: Place, table: Table, plan: Evolution) -> None:
    if plan.impossible:
        raise SinkError(
            f"The table {place}.{table.name} cannot be evolved: {'; '.join(plan.impossible)}.",
            next_move="A type only widens. Copy what you need of it, drop the table, and run again.",
        )
    for doing, action in _actions(plan):
        jobs.query(f"ALTER TABLE {place.published(table.name)} {action}", f"{doing} of {table.name}")


def _actions(plan: Evolution) -> Iterator[tuple[str, str]]:
    """Return what ALTER TABLE does. Tables that are changed by the API instead lose what it is not sent."""
    for column, kind in (plan.widened or {}).items():
        yield f"Widening {column} to {kind}", f"ALTER COLUMN `{column}` SET DATA TYPE {kind}"
    for field in plan.added:
        kind = type_name(field)
        kind = f"ARRAY<{kind}>" if field["mode"] == "REPEATED" else kind
        described = f"OPTIONS(description={text(field['description'])})"
        yield f"Adding {field['name']}", f"ADD COLUMN IF NOT EXISTS `{field['name']}` {kind} {described}"
    for column in plan.relaxed:
        yield f"Retiring {column}", f"ALTER COLUMN `{column}` DROP NOT NULL"


def _update(jobs: Jobs, present: Any, resource: Mapping[str, Any], parts: list[str]) -> None:
    from google.cloud import bigquery

    changed = bigquery.Table.from_api_repr(dict(resource))
    jobs.connection.ask(f"Changing {present.table_id}", "update_table", changed, parts)
