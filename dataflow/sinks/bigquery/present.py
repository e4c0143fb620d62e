"""Read the facts of access that are there in BigQuery (access.py lists the kinds)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from dataflow.sinks.bigquery.access import Fact, policy_value, text_fingerprint
from dataflow.sinks.bigquery.client import Connection
from dataflow.sinks.bigquery.copies import Contents, member_of_email, normal_member
from dataflow.sinks.bigquery.ddl import ROLE_LABEL
from dataflow.sinks.bigquery.shape import Place
from dataflow.tables import published

FINE_GRAINED = "roles/datacatalog.categoryFineGrainedReader"
_OWNERS = ("OWNER", "roles/bigquery.dataOwner")
_FILTERED = "roles/bigquery.filteredDataViewer"


def present_facts(connection: Connection, contents: Contents, *, declared: Collection[Fact]) -> list[Fact]:
    """Return the facts that are there. Raises: SinkError.

    A policy tag can stand on tables of others too: who else may read its columns is not for this warehouse to say.
    """
    wanted = {fact.key for fact in declared}
    rights = [fact for fact in _of_tags(connection, contents) if fact.key in wanted]
    return [*_of_roles(connection, contents), *_of_tables(connection, contents), *rights]


def member_of(entry: Mapping[str, Any]) -> str:
    """Return whom an entry of a dataset's access list names, as IAM writes it."""
    if "userByEmail" in entry:
        return member_of_email(str(entry["userByEmail"]))
    for part, kind in (("groupByEmail", "group"), ("domain", "domain"), ("specialGroup", "specialGroup")):
        if part in entry:
            return normal_member(f"{kind}:{entry[part]}")
    return normal_member(str(entry.get("iamMember", "")))


def access_facts(dataset: str, entries: list[dict[str, Any]]) -> Iterator[Fact]:
    """Yield the facts of a dataset's access list. Who owns it is for the project to say."""
    for entry in entries:
        if view := entry.get("view"):
            yield Fact("authorised view", dataset, f"{view['datasetId']}.{view['tableId']}")
        elif other := entry.get("dataset"):
            yield Fact("authorised view", dataset, f"{other.get('dataset', other)['datasetId']}.*")
        elif routine := entry.get("routine"):
            yield Fact("authorised view", dataset, f"{routine['datasetId']}.{routine['routineId']}()")
        elif entry.get("role") not in _OWNERS:
            yield Fact("grant", dataset, f"{entry.get('role')} {member_of(entry)}")


def row_policies(connection: Connection, place: Place, table: str) -> Iterator[Fact]:
    """Yield the row policies of a table."""
    path = f"bigquery/v2/projects/{place.project}/datasets/{place.dataset}/tables/{table}/rowAccessPolicies"
    doing = f"Reading the row policies of {table}"
    token = ""
    while True:
        page = connection.send(doing, "GET", path + (f"?pageToken={token}" if token else ""))
        for policy in page.get("rowAccessPolicies", []):
            name = policy["rowAccessPolicyReference"]["policyId"]
            rights = connection.send(doing, "POST", f"{path}/{name}:getIamPolicy", {})
            members = [
                normal_member(member)
                for binding in rights.get("bindings", [])
                if binding["role"] == _FILTERED
                for member in binding["members"]
            ]
            yield Fact("row policy", table, name, policy_value(policy["filterPredicate"], members))
        token = page.get("nextPageToken", "")
        if not token:
            return


def tables_of_roles(connection: Connection, place: Place) -> list[str]:
    """Return the quoted names of the tables with masks that are there, also of roles that are no longer declared."""
    return [
        own.published(str(listed.table_id))
        for own in _datasets_of_roles(connection, place)
        for listed in connection.list_all(f"Reading the dataset {own.dataset}", "list_tables", str(own))
        if listed.table_type == "TABLE"
    ]


def _datasets_of_roles(connection: Connection, place: Place) -> list[Place]:
    found = connection.list_all("Reading the datasets of roles", "list_datasets", place.project)
    return [
        Place(project=place.project, dataset=str(dataset.dataset_id))
        for dataset in found
        if (dataset.labels or {}).get(ROLE_LABEL) == role_label(place)
    ]


def _of_roles(connection: Connection, contents: Contents) -> Iterator[Fact]:
    declared = {role.place.dataset for role in contents.roles}
    for own in _datasets_of_roles(connection, contents.place):
        yield Fact("dataset", own.dataset, "")
        if own.dataset in declared:
            yield from _of_role(connection, own)


def role_label(place: Place) -> str:
    """Return the label's value on datasets of roles: the published dataset that they are of."""
    return place.dataset.lower()[:63]


def _of_role(connection: Connection, place: Place) -> Iterator[Fact]:
    doing = f"Reading the dataset {place.dataset}"
    yield from access_facts(place.dataset, read_entries(connection, place))
    for listed in connection.list_all(doing, "list_tables", str(place)):
        if listed.table_type != "VIEW":
            yield Fact("table", place.dataset, str(listed.table_id))
            continue
        view = connection.find(doing, "get_table", listed.reference)
        if view is not None:
            # A server that does not return the text has the label of it.
            label = str((view.labels or {}).get("dataflow_text", ""))
            value = text_fingerprint(view.view_query) if view.view_query else label
            yield Fact("view", place.dataset, str(listed.table_id), value)


def _of_tables(connection: Connection, contents: Contents) -> Iterator[Fact]:
    place = contents.place
    if connection.find("Reading the published dataset", "get_dataset", str(place)) is None:
        return
    yield from access_facts(place.dataset, read_entries(connection, place))
    for table in published.TABLES:
        present = connection.find(f"Reading the table {table.name}", "get_table", f"{place}.{table.name}")
        if present is None:
            continue
        yield from row_policies(connection, place, table.name)
        for field in present.to_api_repr().get("schema", {}).get("fields", []):
            for tag in (field.get("policyTags") or {}).get("names", []):
                yield Fact("policy tag", table.name, field["name"], tag)


def _of_tags(connection: Connection, contents: Contents) -> Iterator[Fact]:
    for tag in sorted(set(contents.tags.values())):
        rights = read_rights(connection, tag)
        for binding in rights.get("bindings", []):
            if binding["role"] == FINE_GRAINED:
                yield from (Fact("fine-grained read", tag, normal_member(member)) for member in binding["members"])


def read_rights(connection: Connection, tag: str) -> dict[str, Any]:
    """Return the IAM policy of a policy tag."""
    doing = "Reading who may read a policy tag"
    return connection.send(doing, "POST", f"v1/{tag}:getIamPolicy", {}, service="datacatalog")


def read_entries(connection: Connection, place: Place) -> list[dict[str, Any]]:
    """Return the access list of a dataset."""
    found = connection.find(f"Reading the dataset {place.dataset}", "get_dataset", str(place))
    return list(found.to_api_repr().get("access", [])) if found is not None else []
