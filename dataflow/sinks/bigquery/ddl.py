"""Create datasets, tables and views, and evolve tables additively; DDL is not allowed inside the transaction.

Nothing here replaces, truncates or copies a published table: row policies, tags and labels are lost by most of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dataflow.errors import SinkError
from dataflow.sinks.bigquery.copies import Contents, Copy
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

ROLE_LABEL = "dataflow_role_of"
"""The label of a dataset of a role: the published dataset that it is of."""
_STAGED_DAYS = 1


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The tables whose rows are all to be written, and the columns that lose their values by that."""

    whole: frozenset[Copy]
    retired: Mapping[Copy, tuple[str, ...]]


def ensure_datasets(jobs: Jobs, contents: Contents) -> None:
    """Create the dataset of the published tables and the one of the staged. Raises: SinkError."""
    place = contents.place
    for name, days, is_closed, description in (
        # Who reads published tables is for the project to say, unless the settings do.
        (place.dataset, 0, contents.is_shared, "Published by DataFlow: customers and what is known of them"),
        (place.staging, _STAGED_DAYS, True, "Rows on their way into the published tables; for the publisher alone"),
    ):
        resource = dataset_resource(place, name, location=jobs.connection.location, description=description, days=days)
        ensure_dataset(jobs, resource, is_closed=is_closed)


def ensure_dataset(jobs: Jobs, resource: Mapping[str, Any], *, is_closed: bool) -> None:
    """Create a dataset. One that is closed is open to its owners alone, not to all who read the project."""
    from google.cloud import bigquery

    named = resource["datasetReference"]
    doing = f"Creating the dataset {named['datasetId']}"
    if jobs.connection.find(doing, "get_dataset", f"{named['projectId']}.{named['datasetId']}") is not None:
        return
    owners = [{"role": "OWNER", "specialGroup": "projectOwners"}]
    if is_closed:
        owners.append({"role": "OWNER", "userByEmail": read_publisher(jobs)})
    made = bigquery.Dataset.from_api_repr({**resource, **({"access": owners} if is_closed else {})})
    jobs.connection.ask(doing, "create_dataset", made, exists_ok=True)


def read_publisher(jobs: Jobs) -> str:
    """Return the address of the account that this sink uses."""
    [(address,)] = jobs.query("SELECT SESSION_USER()", "Reading the publisher's account")
    return str(address)


def ensure_tables(jobs: Jobs, contents: Contents) -> Prepared:
    """Create what is missing and evolve what is there; return what is then to be written whole. Raises: SinkError."""
    whole: set[Copy] = set()
    retired: dict[Copy, tuple[str, ...]] = {}
    for copy in contents.copies:
        present = find_table(jobs, copy.place, copy.shown.name)
        if present is None:
            tags = {} if copy.role else contents.tags
            create_table(jobs, table_resource(copy.shown, copy.place, masked=copy.masked, tags=tags))
            whole.add(copy)
            continue
        if present.table_type != "TABLE":
            raise SinkError(
                f"{copy.place}.{copy.shown.name} is a {present.table_type}, not a table.",
                next_move="Rename or remove it.",
            )
        plan = evolve(copy.shown, present.to_api_repr().get("schema", {}).get("fields", []))
        _evolve(jobs, copy, plan)
        if plan.is_rewrite:
            whole.add(copy)
        if plan.retired:
            retired[copy] = plan.retired
    if find_table(jobs, contents.place, PUBLICATION) is None:
        create_table(jobs, publication_resource(contents.place))
    return Prepared(whole=frozenset(whole), retired=retired)


def ensure_views(jobs: Jobs, place: Place) -> None:
    """Create the views that are missing, and correct those of another text. Raises: SinkError."""
    for view in VIEWS.values():
        ensure_view(jobs, view_resource(view.name, view.description, view_sql(view, place), place))


def ensure_view(jobs: Jobs, resource: Mapping[str, Any]) -> None:
    """Create a view, or correct one of another text. Raises: SinkError."""
    named = resource["tableReference"]
    place = Place(project=named["projectId"], dataset=named["datasetId"])
    present = find_table(jobs, place, named["tableId"])
    if present is None:
        create_table(jobs, resource)
    elif not is_view_as_declared(present, resource):
        update_table(jobs, present, resource, ["view_query", "labels", "description"])


def is_view_as_declared(present: Any, resource: Mapping[str, Any]) -> bool:
    """Return whether a view in BigQuery has the declared text. A server that does not return it has the label."""
    text = getattr(present, "view_query", None)
    is_label = (present.labels or {}).get("dataflow_text") == resource["labels"]["dataflow_text"]
    return is_label and text in (None, resource["view"]["query"])


def mark_retired(jobs: Jobs, retired: Mapping[Copy, tuple[str, ...]]) -> None:
    """Describe columns that have lost their values as retired, so that they are not emptied again."""
    for copy, columns in retired.items():
        present = find_table(jobs, copy.place, copy.shown.name)
        if present is not None:
            resource = present.to_api_repr()
            for field in resource["schema"]["fields"]:
                if field["name"] in columns:
                    field["description"] = RETIRED
                    field["mode"] = "REPEATED" if field["mode"] == "REPEATED" else "NULLABLE"
            update_table(jobs, present, resource, ["schema"])


def find_table(jobs: Jobs, place: Place, name: str) -> Any:
    """Return a table or view of the dataset; None where there is none. Raises: SinkError."""
    return jobs.connection.find(f"Reading the table {name}", "get_table", f"{place}.{name}")


def create_table(jobs: Jobs, resource: Mapping[str, Any]) -> None:
    """Create a table or view; one that another process has made meanwhile stays. Raises: SinkError."""
    from google.cloud import bigquery

    made = bigquery.Table.from_api_repr(dict(resource))
    name = resource["tableReference"]["tableId"]
    jobs.connection.ask(f"Creating {name}", "create_table", made, exists_ok=True)


def _evolve(jobs: Jobs, copy: Copy, plan: Evolution) -> None:
    if plan.impossible:
        raise SinkError(
            f"The table {copy.place}.{copy.shown.name} cannot be evolved: {'; '.join(plan.impossible)}.",
            next_move="A type only widens. Copy what you need of it, drop the table, and run again.",
        )
    for doing, action in _actions(plan):
        jobs.query(f"ALTER TABLE {copy.target} {action}", f"{doing} of {copy.label}")


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


def update_table(jobs: Jobs, present: Any, resource: Mapping[str, Any], parts: list[str]) -> None:
    """Change parts of a table's or view's resource, and leave the others. Raises: SinkError."""
    from google.cloud import bigquery

    changed = bigquery.Table.from_api_repr(dict(resource))
    jobs.connection.ask(f"Changing {present.table_id}", "update_table", changed, parts)
