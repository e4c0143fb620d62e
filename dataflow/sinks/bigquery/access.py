"""Who may read what in BigQuery, as a set of facts: those that the settings declare, and those that are there.

| kind | place | name | value |
|---|---|---|---|
| dataset | dataset of a role | | |
| table | dataset of a role | table with masks | |
| view | dataset of a role | view | fingerprint of its text |
| authorised view | published dataset | dataset and view that may read it | |
| grant | dataset | role and member | |
| row policy | published table | policy | condition and members |
| policy tag | published table | column | tag |
| fine-grained read | policy tag | member | |
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import sqlglot

from dataflow.sinks.bigquery.copies import Contents, RoleData
from dataflow.sinks.bigquery.role_views import authorised_views, inner_views
from dataflow.tables import published
from lakehouse.table import Table

State = Literal["missing", "differs", "undeclared"]
Kind = Literal["dataset", "table", "view", "authorised view", "grant", "row policy", "policy tag", "fine-grained read"]

PUBLISHER_POLICY = "df_publisher"
READER = "READER"


@dataclass(frozen=True, order=True)
class Fact:
    """One fact of access. Two of the same kind, place and name are of the same thing, which has one value."""

    kind: Kind
    place: str
    name: str
    value: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.kind, self.place, self.name

    def __str__(self) -> str:
        return " ".join(part for part in (self.kind, self.name, "of" if self.name else "", self.place) if part)


@dataclass(frozen=True)
class Difference:
    """A fact that is declared and not there (`missing`), there with another value, or there and not declared."""

    state: State
    fact: Fact

    def __str__(self) -> str:
        return f"{self.fact} {'is missing' if self.state == 'missing' else self.state}".replace(
            "undeclared", "is not declared"
        )


def compare(declared: Iterable[Fact], present: Iterable[Fact]) -> list[Difference]:
    """Return the differences in both directions; those to apply first, in the order in which that is safe."""
    there, wanted = {fact.key: fact for fact in present}, {fact.key: fact for fact in declared}
    found = []
    for key, fact in wanted.items():
        if key not in there:
            found.append(Difference("missing", fact))
        elif there[key].value != fact.value:
            found.append(Difference("differs", fact))
    return found + [Difference("undeclared", there[key]) for key in sorted(there.keys() - wanted.keys())]


def declared_facts(contents: Contents, *, publisher: str) -> list[Fact]:
    """Return the declared facts, in the order in which they are made.

    The publisher's rights come before what restricts them, and grants come last: a member sees nothing before all that
    restricts it is there.
    """
    place = contents.place
    made: list[Fact] = []
    for role in contents.roles:
        made.append(Fact("dataset", role.place.dataset, ""))
        made += [Fact("table", role.place.dataset, copy.shown.name) for copy in role.copies]
    made += [Fact("fine-grained read", tag, publisher) for tag in sorted(contents.tags.values())]
    made += [
        Fact("policy tag", table.name, column.name, contents.tags[column.classification])
        for table in published.TABLES
        for column in table.columns
        if column.classification in contents.tags
    ]
    for table in published.TABLES:
        made += _row_policies(contents, table, publisher=publisher)
    for role in contents.roles:
        outer = authorised_views(role, place)
        made += [_view_fact(one) for one in (*outer, *inner_views(role))]
        made += [Fact("authorised view", place.dataset, _view_name(one)) for one in outer]
    made += _fine_grained(contents)
    made += [Fact("grant", place.dataset, f"{READER} {member}") for member in contents.readers]
    for role in contents.roles:
        made += [Fact("grant", role.place.dataset, f"{READER} {member}") for member in role.members]
    return list(dict.fromkeys(made))


def policy_value(condition: str, members: Iterable[str]) -> str:
    """Return the value of a row policy; conditions that differ only in writing are the same."""
    tree = sqlglot.parse_one(condition, read="bigquery")
    return f"{tree.sql(dialect='bigquery', comments=False)} for {', '.join(sorted(set(members)))}"


def text_fingerprint(query: str) -> str:
    """Return the value of a view."""
    return hashlib.sha256(query.encode()).hexdigest()[:32]


def policies_of(contents: Contents, table: Table, *, publisher: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the row policies of a published table: name to condition and members; none where all see all rows.

    A table with policies shows no row to those whom none of them names, so that each reader has one.
    """
    seeing = [(role, role.filter_of(table.name)) for role in contents.roles if _sees(role, table)]
    if all(condition == "TRUE" for _, condition in seeing):
        return {}
    found: dict[str, tuple[str, tuple[str, ...]]] = {PUBLISHER_POLICY: ("TRUE", (publisher,))}
    if contents.readers:
        found["df_readers"] = ("TRUE", contents.readers)
    return found | {f"df_role_{role.role.name}": (condition, role.members) for role, condition in seeing}


def _row_policies(contents: Contents, table: Table, *, publisher: str) -> Iterator[Fact]:
    for name, (condition, members) in policies_of(contents, table, publisher=publisher).items():
        yield Fact("row policy", table.name, name, policy_value(condition, members))


def _sees(role: RoleData, table: Table) -> bool:
    return any(seen.table == table for seen in role.views)


def _fine_grained(contents: Contents) -> Iterator[Fact]:
    """Yield the right to read tagged columns of those who see them in the published tables, or by a view on these."""
    for classification, tag in sorted(contents.tags.items()):
        members = [*contents.readers]
        for role in contents.roles:
            clear = {seen.table.column(name).classification for seen in role.views for name in seen.treatments}
            members += role.members if classification in clear else ()
        yield from (Fact("fine-grained read", tag, member) for member in dict.fromkeys(members))


def _view_fact(resource: dict[str, Any]) -> Fact:
    named = resource["tableReference"]
    return Fact("view", named["datasetId"], named["tableId"], text_fingerprint(resource["view"]["query"]))


def _view_name(resource: dict[str, Any]) -> str:
    named = resource["tableReference"]
    return f"{named['datasetId']}.{named['tableId']}"
