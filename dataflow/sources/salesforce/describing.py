"""Describe an org for `dataflow discover`: its objects of customers, orders and cases, and its own ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataflow.settings import SalesforceSettings
from dataflow.sources.found import FoundColumn, FoundTable, Link, object_name
from dataflow.sources.salesforce.connection import Connection, open_connection
from dataflow.sources.salesforce.fields import field_infos_of

_STANDARD = ("Account", "Contact", "Lead", "Opportunity", "OpportunityLineItem", "Order", "OrderItem", "Case")
_CURSOR = "SystemModstamp"
_SAMPLE = 200
_OF_THE_SYSTEM = frozenset({"MasterRecordId", "OwnerId", "CreatedById", "LastModifiedById"})
_NEEDED = ("Id", _CURSOR)


def found_tables(name: str, settings: SalesforceSettings) -> list[FoundTable]:  # noqa: ARG001 (as of all adapters)
    """Return the objects that can be queried and have a time of change. Raises: the errors of connecting."""
    connection = open_connection(settings)
    names = [str(one["name"]) for one in connection.list_objects() if one.get("queryable")]
    chosen = [one for one in names if one in _STANDARD or one.endswith("__c")]
    described = {one: connection.described(one) for one in sorted(chosen, key=_order)}
    found = [_table(connection, one, of) for one, of in described.items()]
    return [table for table in found if set(_NEEDED) <= {column.name for column in table.columns}]


def _order(name: str) -> tuple[int, str]:
    return (_STANDARD.index(name) if name in _STANDARD else len(_STANDARD), name)


def _table(connection: Connection, name: str, described: Mapping[str, Any]) -> FoundTable:
    infos = field_infos_of(described)
    fields = ", ".join(info.name for info in infos)
    records = connection.query(f"SELECT {fields} FROM {name} LIMIT {_SAMPLE}", with_deleted=False).records
    columns = [
        FoundColumn(
            info.name,
            info.type,
            [str(record[info.name]) for record in records if record.get(info.name) not in (None, "")],
            info.name == _CURSOR,
        )
        for info in infos
    ]
    links = [
        Link(str(one["name"]), object_name(str(target)), "Id", f"reference to {target}")
        for one in described["fields"]
        if one["name"] not in _OF_THE_SYSTEM
        for target in one.get("referenceTo") or ()
    ]
    return FoundTable(object_name(name), name, columns, ("Id",), "the Id of Salesforce", links, len(records))
