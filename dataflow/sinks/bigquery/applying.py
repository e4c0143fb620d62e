"""Bring access in BigQuery to what the settings declare: create and correct facts, and remove undeclared ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dataflow.errors import SinkError
from dataflow.sinks.bigquery.access import Difference, Fact, Kind, policies_of
from dataflow.sinks.bigquery.copies import Contents
from dataflow.sinks.bigquery.ddl import (
    ROLE_LABEL,
    create_table,
    ensure_dataset,
    ensure_datasets,
    ensure_tables,
    ensure_view,
    ensure_views,
    find_table,
    update_table,
)
from dataflow.sinks.bigquery.jobs import Jobs
from dataflow.sinks.bigquery.present import FINE_GRAINED, access_facts, read_rights, role_label
from dataflow.sinks.bigquery.role_views import authorised_views, inner_views
from dataflow.sinks.bigquery.shape import Place, dataset_resource, table_resource
from dataflow.tables import published

Action = Callable[["_Work", Fact], None]


def make_structure(jobs: Jobs, contents: Contents) -> None:
    """Create datasets, tables and views that are missing, without the views of roles. Raises: SinkError."""
    ensure_datasets(jobs, contents)
    for role in contents.roles:
        _make_role_dataset(jobs, contents, role.place.dataset)
        for copy in role.copies:
            _drop_other_kind(jobs, copy.place, copy.shown.name, kind="TABLE")
    ensure_tables(jobs, contents)
    ensure_views(jobs, contents.place)


def apply_differences(
    jobs: Jobs, contents: Contents, differences: Sequence[Difference], *, publisher: str, prune: bool
) -> list[Difference]:
    """Create and correct what is declared; remove the rest where `prune`. Return what was done. Raises: SinkError."""
    work = _Work(jobs, contents, publisher)
    done = []
    for difference in differences:
        if difference.state != "undeclared":
            _MAKE[difference.fact.kind](work, difference.fact)
            done.append(difference)
    for difference in _in_order_of_removal(differences) if prune else ():
        _REMOVE[difference.fact.kind](work, difference.fact)
        done.append(difference)
    return done


class _Work:
    """What the actions share."""

    def __init__(self, jobs: Jobs, contents: Contents, publisher: str) -> None:
        self.jobs, self.contents, self.publisher = jobs, contents, publisher
        self.views = {
            (one["tableReference"]["datasetId"], one["tableReference"]["tableId"]): one
            for role in contents.roles
            for one in (*authorised_views(role, contents.place), *inner_views(role))
        }

    def place(self, dataset: str) -> Place:
        return Place(project=self.contents.place.project, dataset=dataset)

    def change_entries(self, dataset: str, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
        """Change a dataset's access list; one that somebody else changes meanwhile is refused by its etag."""
        from google.cloud import bigquery

        doing = f"Changing who may read {dataset}"
        resource = self.jobs.connection.ask(doing, "get_dataset", str(self.place(dataset))).to_api_repr()
        resource["access"] = change(list(resource.get("access", [])))
        changed = bigquery.Dataset.from_api_repr(resource)
        self.jobs.connection.ask(doing, "update_dataset", changed, ["access_entries"])

    def policy_path(self, table: str, name: str = "") -> str:
        place = self.contents.place
        path = f"bigquery/v2/projects/{place.project}/datasets/{place.dataset}/tables/{table}/rowAccessPolicies"
        return f"{path}/{name}" if name else path


def _in_order_of_removal(differences: Iterable[Difference]) -> list[Difference]:
    """Return the undeclared: grants first, and a publisher's policy after those that hide rows from it."""
    order: dict[Kind, int] = {"grant": 0, "authorised view": 1, "dataset": 9}
    found = [one for one in differences if one.state == "undeclared"]
    return sorted(found, key=lambda one: (order.get(one.fact.kind, 5), one.fact.name.startswith("df_publisher")))


def _make_dataset(work: _Work, fact: Fact) -> None:
    _make_role_dataset(work.jobs, work.contents, fact.place)


def _make_role_dataset(jobs: Jobs, contents: Contents, dataset: str) -> None:
    resource = dataset_resource(
        contents.place,
        dataset,
        location=jobs.connection.location,
        description="What a role of DataFlow sees of the published tables",
    )
    resource["labels"] = {**resource["labels"], ROLE_LABEL: role_label(contents.place)}
    ensure_dataset(jobs, resource, is_closed=True)
    made = jobs.connection.ask("Reading the dataset of a role", "get_dataset", f"{contents.place.project}.{dataset}")
    if (made.labels or {}).get(ROLE_LABEL) != role_label(contents.place):
        raise SinkError(
            f"The dataset {contents.place.project}.{dataset} is not one of this warehouse.",
            next_move="Rename it, or the role: what a role sees needs a dataset of its own.",
        )


def _make_table(work: _Work, fact: Fact) -> None:
    _drop_other_kind(work.jobs, work.place(fact.place), fact.name, kind="TABLE")
    for copy in work.contents.copies:
        if (copy.place.dataset, copy.shown.name) == (fact.place, fact.name):
            create_table(work.jobs, table_resource(copy.shown, copy.place, masked=copy.masked))


def _make_view(work: _Work, fact: Fact) -> None:
    _drop_other_kind(work.jobs, work.place(fact.place), fact.name, kind="VIEW")
    ensure_view(work.jobs, work.views[fact.place, fact.name])


def _drop_other_kind(jobs: Jobs, place: Place, name: str, *, kind: str) -> None:
    """Drop what a role has by this name as a view where it is to be a table, or the other way round."""
    present = find_table(jobs, place, name)
    if present is not None and present.table_type != kind:
        _drop(jobs, place, name)


def _drop(jobs: Jobs, place: Place, name: str) -> None:
    jobs.connection.ask(f"Dropping {name} of {place.dataset}", "delete_table", f"{place}.{name}", not_found_ok=True)


def _make_authorised_view(work: _Work, fact: Fact) -> None:
    dataset, _, name = fact.name.partition(".")
    view = {"projectId": work.contents.place.project, "datasetId": dataset, "tableId": name}
    work.change_entries(fact.place, lambda entries: [*entries, {"view": view}])


def _make_grant(work: _Work, fact: Fact) -> None:
    role, _, member = fact.name.partition(" ")
    kind, _, name = member.partition(":")
    part = {"group": "groupByEmail", "domain": "domain"}.get(kind, "userByEmail")
    work.change_entries(fact.place, lambda entries: [*entries, {"role": role, part: name}])


def _remove_entry(work: _Work, fact: Fact) -> None:
    work.change_entries(
        fact.place, lambda entries: [one for one in entries if fact not in access_facts(fact.place, [one])]
    )


def _make_row_policy(work: _Work, fact: Fact) -> None:
    table = next(table for table in published.TABLES if table.name == fact.place)
    condition, members = policies_of(work.contents, table, publisher=work.publisher)[fact.name]
    place = work.contents.place
    body = {
        "rowAccessPolicyReference": {
            "projectId": place.project,
            "datasetId": place.dataset,
            "tableId": table.name,
            "policyId": fact.name,
        },
        "filterPredicate": condition,
        "grantees": list(members),
    }
    from google.api_core.exceptions import Conflict

    doing = f"Creating the row policy {fact.name} of {table.name}"
    try:
        work.jobs.connection.send(doing, "POST", work.policy_path(table.name), body)
    except Conflict:
        work.jobs.connection.send(doing, "PUT", work.policy_path(table.name, fact.name), body)


def _remove_row_policy(work: _Work, fact: Fact) -> None:
    doing = f"Removing the row policy {fact.name} of {fact.place}"
    # The last one of a table is removed only by force: all who may read the table then see all rows.
    work.jobs.connection.send(doing, "DELETE", work.policy_path(fact.place, fact.name) + "?force=true")


def _make_policy_tag(work: _Work, fact: Fact) -> None:
    _tag(work, fact, [fact.value])


def _remove_policy_tag(work: _Work, fact: Fact) -> None:
    _tag(work, fact, [])


def _tag(work: _Work, fact: Fact, tags: list[str]) -> None:
    present = find_table(work.jobs, work.contents.place, fact.place)
    resource = present.to_api_repr()
    for field in resource["schema"]["fields"]:
        if field["name"] == fact.name:
            field["policyTags"] = {"names": tags}
    update_table(work.jobs, present, resource, ["schema"])


def _make_fine_grained(work: _Work, fact: Fact) -> None:
    _change_rights(work, fact.place, lambda members: [*members, fact.name])


def _remove_fine_grained(work: _Work, fact: Fact) -> None:
    _change_rights(work, fact.place, lambda members: [one for one in members if one.lower() != fact.name.lower()])


def _change_rights(work: _Work, tag: str, change: Callable[[list[str]], list[str]]) -> None:
    rights = read_rights(work.jobs.connection, tag)
    bindings = [dict(one) for one in rights.get("bindings", [])]
    chosen: dict[str, Any] = next(
        (one for one in bindings if one["role"] == FINE_GRAINED), {"role": FINE_GRAINED, "members": []}
    )
    others = [one for one in bindings if one is not chosen]
    members = change(list(chosen["members"]))
    kept = [*others, *([{**chosen, "members": members}] if members else [])]
    body = {"policy": {**rights, "bindings": kept}}
    path = f"v1/{tag}:setIamPolicy"
    work.jobs.connection.send("Giving the right to read a policy tag", "POST", path, body, service="datacatalog")


def _remove_dataset(work: _Work, fact: Fact) -> None:
    work.jobs.connection.ask(
        f"Removing the dataset {fact.place}",
        "delete_dataset",
        str(work.place(fact.place)),
        delete_contents=True,
        not_found_ok=True,
    )


def _remove_table(work: _Work, fact: Fact) -> None:
    _drop(work.jobs, work.place(fact.place), fact.name)


_MAKE: Mapping[Kind, Action] = {
    "dataset": _make_dataset,
    "table": _make_table,
    "view": _make_view,
    "authorised view": _make_authorised_view,
    "grant": _make_grant,
    "row policy": _make_row_policy,
    "policy tag": _make_policy_tag,
    "fine-grained read": _make_fine_grained,
}
_REMOVE: Mapping[Kind, Action] = {
    "dataset": _remove_dataset,
    "table": _remove_table,
    "view": _remove_table,
    "authorised view": _remove_entry,
    "grant": _remove_entry,
    "row policy": _remove_row_policy,
    "policy tag": _remove_policy_tag,
    "fine-grained read": _remove_fine_grained,
}
