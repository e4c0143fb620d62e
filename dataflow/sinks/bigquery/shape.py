"""Resources of BigQuery's REST API from the declared tables: types, descriptions, labels, keys, partitions, clusters.

| lake | BigQuery |
|---|---|
| VARCHAR, BIGINT, DOUBLE, BOOLEAN, DATE, TIMESTAMPTZ | STRING, INTEGER, FLOAT, BOOLEAN, DATE, TIMESTAMP |
| DECIMAL(20,4) | NUMERIC(20,4) |
| VARCHAR[] | STRING, REPEATED |
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataflow.settings import Settings
from lakehouse.table import Column, Table

ROW_HASH = "_row_hash"
"""The column with 63 bits of the MD5 of a row's values, computed from the lake."""
GONE = "_gone"
"""The column of a staged row that says whether the lake has no row of this key any more."""
PUBLICATION = "_publication"
"""The table with one row: the publication that the dataset shows."""
PUBLICATION_FIELDS = (
    {"name": "publication", "type": "INTEGER", "mode": "REQUIRED", "description": "Number of the publication"},
    {"name": "lake_id", "type": "STRING", "mode": "REQUIRED", "description": "Lake that it is of"},
    {"name": "run_id", "type": "STRING", "mode": "REQUIRED", "description": "Run that published it"},
    {"name": "row_counts", "type": "STRING", "mode": "REQUIRED", "description": "JSON: table to its number of rows"},
)
RETIRED = "Retired: no longer published; null."
"""The description of a column that the lake no longer has."""

_TYPES = {
    "VARCHAR": "STRING",
    "BIGINT": "INTEGER",
    "DOUBLE": "FLOAT",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "TIMESTAMPTZ": "TIMESTAMP",
}
_SAME_TYPES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}
_WIDER = {("INTEGER", "NUMERIC"), ("INTEGER", "FLOAT"), ("NUMERIC", "FLOAT")}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_SENSITIVE = frozenset({"identity", "contact", "online", "free_text", "special"})
"""Classes whose columns are never partitioned or clustered by: partition ids and cluster bounds are metadata that
people without a right to the column can read."""
_MOST_CLUSTERS = 4
_TIMES = ("DATE", "TIMESTAMPTZ")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the warehouse is: project, dataset of the published tables, dataset of the staged ones."""

    project: str
    dataset: str

    @classmethod
    def of(cls, settings: Settings) -> Place:
        return cls(project=settings.warehouse.bigquery.project, dataset=settings.warehouse.bigquery.dataset)

    @property
    def staging(self) -> str:
        return f"{self.dataset}_staging"

    def of_role(self, role: str) -> Place:
        """Return the dataset of a role."""
        return Place(project=self.project, dataset=f"{self.dataset}_{role}")

    def __str__(self) -> str:
        return f"{self.project}.{self.dataset}"

    def published(self, table: str) -> str:
        """Return the quoted name of a published table."""
        return f"`{self.project}.{self.dataset}.{table}`"

    def staged(self, table: str) -> str:
        """Return the quoted name of a staged table."""
        return f"`{self.project}.{self.staging}.{table}`"


def dataset_resource(place: Place, dataset: str, *, location: str, description: str, days: int = 0) -> dict[str, Any]:
    """Return a dataset; its tables end after `days`, 0: never.

    Rows of an erased person stay readable by time travel for two days, the shortest that BigQuery allows.
    """
    found: dict[str, Any] = {
        "datasetReference": {"projectId": place.project, "datasetId": dataset},
        "location": location,
        "description": description,
        "labels": {"dataflow": "warehouse"},
        "maxTimeTravelHours": "48",
    }
    return {**found, "defaultTableExpirationMs": str(days * 86_400_000)} if days else found


def table_resource(
    table: Table, place: Place, *, masked: Collection[str] = (), tags: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the table in its dataset. `tags`: class of personal data to the policy tag of its columns."""
    found: dict[str, Any] = {
        "tableReference": {"projectId": place.project, "datasetId": place.dataset, "tableId": table.name},
        "description": f"One row per {table.grain}.",
        "labels": {"dataflow": "published", "owner": table.owner},
        "schema": {"fields": [*(tagged(column, tags or {}) for column in table.columns), _hash_field()]},
    }
    if table.key:
        found["tableConstraints"] = {"primaryKey": {"columns": list(table.key)}}
    if lead := clusters(table, masked=masked):
        found["clustering"] = {"fields": lead}
    month = partition_column(table, masked=masked)
    return {**found, "timePartitioning": {"type": "MONTH", "field": month}} if month else found


def publication_resource(place: Place) -> dict[str, Any]:
    """Return the table of the shown publication."""
    return {
        "tableReference": {"projectId": place.project, "datasetId": place.dataset, "tableId": PUBLICATION},
        "description": "One row: the publication that this dataset shows.",
        "labels": {"dataflow": "published"},
        "schema": {"fields": list(PUBLICATION_FIELDS)},
    }


def staged_resource(table: Table, place: Place, name: str) -> dict[str, Any]:
    """Return a staged table: the same columns, null where the row is gone, and whether it is."""
    return {
        "tableReference": {"projectId": place.project, "datasetId": place.staging, "tableId": name},
        "labels": {"dataflow": "staged"},
        "schema": {"fields": staged_fields(table)},
    }


def staged_fields(table: Table) -> list[dict[str, Any]]:
    """Return the fields of a staged table."""
    fields = [{**field, "mode": _without_required(field)} for field in map(field_of, table.columns)]
    return [*fields, _hash_field(), {"name": GONE, "type": "BOOLEAN", "mode": "NULLABLE"}]


def view_resource(name: str, description: str, query: str, place: Place) -> dict[str, Any]:
    """Return a view. The label has a fingerprint of its text, so that a view of former text is found."""
    return {
        "tableReference": {"projectId": place.project, "datasetId": place.dataset, "tableId": name},
        "description": description,
        "labels": {"dataflow": "view", "dataflow_text": hashlib.sha256(query.encode()).hexdigest()[:32]},
        "view": {"query": query, "useLegacySql": False},
    }


def field_of(column: Column) -> dict[str, Any]:
    """Return a column as a field of a schema."""
    field: dict[str, Any] = {"name": column.name, "description": column.description}
    if column.type.endswith("[]"):
        return {**field, "type": _TYPES[column.type.removesuffix("[]")], "mode": "REPEATED"}
    field["mode"] = "NULLABLE" if column.nullable else "REQUIRED"
    if decimal := _DECIMAL.fullmatch(column.type):
        return {**field, "type": "NUMERIC", "precision": decimal[1], "scale": decimal[2]}
    return {**field, "type": _TYPES[column.type]}


def tagged(column: Column, tags: Mapping[str, str]) -> dict[str, Any]:
    """Return a column as a field of a schema, with the policy tag of its class."""
    field, tag = field_of(column), tags.get(column.classification)
    return {**field, "policyTags": {"names": [tag]}} if tag else field


def clusters(table: Table, *, masked: Collection[str] = ()) -> list[str]:
    """Return the columns to cluster by: the leading ones of the key, so that a change reads the blocks of its keys."""
    chosen: list[str] = []
    for name in table.key[:_MOST_CLUSTERS]:
        if table.column(name).classification in _SENSITIVE or name in masked:
            break
        chosen.append(name)
    return chosen


def partition_column(table: Table, *, masked: Collection[str] = ()) -> str:
    """Return the date or timestamp to partition by month; "" where the table has none.

    It is one of the key, or the first timestamp of a table of events, which is not keyed by customer.
    """
    named = [name for name in table.key if table.column(name).type in _TIMES]
    if not named and "customer_id" not in table.key:
        named = [column.name for column in table.columns if column.type in _TIMES]
    barred = {*masked, *(column.name for column in table.columns if column.classification in _SENSITIVE)}
    return next((name for name in named if name not in barred), "")


@dataclass(frozen=True, kw_only=True)
class Evolution:
    """How a table in BigQuery comes to its declaration."""

    added: Sequence[Mapping[str, Any]] = ()
    """Fields to add."""
    retired: tuple[str, ...] = ()
    """Columns that are no longer declared and are not described as retired yet."""
    relaxed: tuple[str, ...] = ()
    """Those of them that must still have a value."""
    widened: Mapping[str, str] | None = None
    """Column to the wider type, as ALTER TABLE names it."""
    impossible: tuple[str, ...] = ()
    """What cannot be done additively."""

    @property
    def is_rewrite(self) -> bool:
        """Return whether existing rows need values: the table is then written whole."""
        return bool(self.added or self.retired or self.widened)


def evolve(table: Table, present: Sequence[Mapping[str, Any]]) -> Evolution:
    """Compare the fields of a table in BigQuery with its declaration."""
    declared = {field["name"]: field for field in (*map(field_of, table.columns), _hash_field())}
    there = {str(field["name"]): field for field in present}
    added = [{**field, "mode": _without_required(field)} for name, field in declared.items() if name not in there]
    retired = tuple(n for n, f in there.items() if n not in declared and f.get("description") != RETIRED)
    differing = {n: f for n, f in there.items() if n in declared and not _is_same(f, declared[n])}
    widened = {n: type_name(declared[n]) for n, f in differing.items() if _is_wider(f, declared[n])}
    return Evolution(
        added=added,
        retired=retired,
        relaxed=tuple(name for name in retired if there[name].get("mode") == "REQUIRED"),
        widened=widened,
        impossible=tuple(_misfits(differing, declared, widened)),
    )


def text(value: str) -> str:
    """Quote a string literal of GoogleSQL."""
    return json.dumps(value, ensure_ascii=True)


def type_name(field: Mapping[str, Any]) -> str:
    """Return a field's type as DDL names it."""
    names = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
    if field.get("precision"):
        return f"{field['type']}({field['precision']}, {field['scale']})"
    return names.get(str(field["type"]), str(field["type"]))


def _misfits(
    differing: Mapping[str, Mapping[str, Any]], declared: Mapping[str, Mapping[str, Any]], widened: Mapping[str, str]
) -> Iterator[str]:
    for name, field in differing.items():
        if name not in widened:
            yield f"{name} is {field.get('mode')} {type_name(field)}, declared {type_name(declared[name])}"


def _is_same(here: Mapping[str, Any], declared: Mapping[str, Any]) -> bool:
    # A server that does not keep precision and scale returns none: nothing to compare.
    sized = [part for part in ("precision", "scale") if here.get(part) and str(here[part]) != str(declared.get(part))]
    is_list = here.get("mode") == "REPEATED", declared["mode"] == "REPEATED"
    return _canonical(here) == declared["type"] and is_list[0] == is_list[1] and not sized


def _is_wider(here: Mapping[str, Any], declared: Mapping[str, Any]) -> bool:
    if (here.get("mode") == "REPEATED") != (declared["mode"] == "REPEATED"):
        return False
    if _canonical(here) != declared["type"]:
        return (_canonical(here), str(declared["type"])) in _WIDER
    scales = int(declared.get("scale", 0)), int(here.get("scale", 0))
    digits = int(declared.get("precision", 0)) - scales[0], int(here.get("precision", 0)) - scales[1]
    return scales[0] >= scales[1] and digits[0] >= digits[1]


def _canonical(field: Mapping[str, Any]) -> str:
    return _SAME_TYPES.get(str(field["type"]), str(field["type"]))


def _without_required(field: Mapping[str, Any]) -> str:
    return "REPEATED" if field.get("mode") == "REPEATED" else "NULLABLE"


def _hash_field() -> dict[str, Any]:
    return {"name": ROW_HASH, "type": "INTEGER", "mode": "NULLABLE", "description": "Hash of the row's values"}
