"""How the API writes things: JSON with its own way of numbers and times, CSV of Bulk jobs, errors as lists."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from tests.lib.servers.salesforce.clock import api_time
from tests.lib.servers.salesforce.org import Org
from tests.lib.servers.salesforce.schema import ObjectType


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, plain: Any, status: int = 200) -> Answer:
        return cls(status, json.dumps(plain).encode(), {"Content-Type": "application/json;charset=UTF-8"})

    @classmethod
    def of_error(cls, status: int, code: str, message: str) -> Answer:
        return cls.of_json([{"message": message, "errorCode": code}], status)


def rest_record(version: str, kind: ObjectType, paths: Sequence[str], row: Mapping[str, Any]) -> str:
    """A record as a REST query shows it: attributes first, parents nested."""
    members = [f'"attributes":{_attributes(version, kind.name, row["Id"])}']
    parents: dict[str, list[str]] = {}
    for path in paths:
        name, _, leaf = path.partition(".")
        if not leaf:
            members.append(f'"{name}":{_json(kind.fields[name].type, row[name])}')
            continue
        if name not in parents:
            parents[name] = []
            members.append(name)  # its place; filled below
        parents[name].append(f'"{leaf}":{_json("string", row[path])}')
    for name, inner in parents.items():
        link = kind.relationship(name)
        assert link is not None
        parent = row[link.name]
        nested = "null" if parent is None else _nested(version, link.reference_to, parent, inner)
        members[members.index(name)] = f'"{name}":{nested}'
    return "{" + ",".join(members) + "}"


def _nested(version: str, type_name: str, key: str, inner: list[str]) -> str:
    return "{" + ",".join([f'"attributes":{_attributes(version, type_name, key)}', *inner]) + "}"


def _attributes(version: str, type_name: str, key: str) -> str:
    return json.dumps(
        {"type": type_name, "url": f"/services/data/v{version}/sobjects/{type_name}/{key}"}, separators=(",", ":")
    )


def _json(kind: str, value: Any) -> str:
    if value is None:
        return "null"
    if kind in ("double", "currency", "percent"):
        return _java_double(Decimal(str(value)))
    if isinstance(value, datetime):
        return f'"{api_time(value)}"'
    if isinstance(value, date):
        return f'"{value.isoformat()}"'
    return json.dumps(value)


def _java_double(value: Decimal) -> str:
    """Java's way: a point always, an exponent from ten million on."""
    if value and not Decimal("0.001") <= abs(value) < 10_000_000:
        digits = f"{value.normalize():E}".replace("E+", "E")
        mantissa, _, exponent = digits.partition("E")
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{exponent}"
    text = f"{value:f}"
    return text if "." in text else f"{text}.0"


def bulk_csv(kind: ObjectType, paths: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as a Bulk job delivers them: a header, everything in quotes, null and empty alike, times with Z."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(paths)
    for row in rows:
        writer.writerow([_csv(row[path]) for path in paths])
    return out.getvalue().encode()


def _csv(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float | Decimal):
        return f"{Decimal(str(value)):f}"
    return str(value)


def describe(org: Org, kind: ObjectType) -> dict[str, Any]:
    """What describe says to a user who may not read every field."""
    fields = [one.describe() for name, one in kind.fields.items() if (kind.name, name) not in org.hidden]
    return {**summary(kind), "fields": fields, "childRelationships": []}


def summary(kind: ObjectType) -> dict[str, Any]:
    return {
        "name": kind.name,
        "label": kind.name,
        "keyPrefix": kind.prefix,
        "custom": kind.name.endswith("__c"),
        "queryable": True,
        "retrieveable": True,
        "replicateable": True,
        "undeletable": True,
        "mergeable": kind.can_merge,
        "urls": {},
    }
