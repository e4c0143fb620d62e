"""Write a contract as a document of the Open Data Contract Standard 3.1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from dataflow.govern.contracts.contract import Check, Contract
from dataflow.govern.contracts.odcs import API_VERSION, ENGINE, KIND, logical_type

_CUSTOM = ("owner", "since", "passes", "fails", "keys")


def export_contract(contract: Contract) -> str:
    """Return the document, as YAML."""
    return yaml.safe_dump(document_of(contract), sort_keys=False, allow_unicode=True, width=120)


def document_of(contract: Contract) -> dict[str, Any]:
    """Return the document as plain values."""
    placed: list[int] = []
    properties = [_property(name, contract, placed) for name in contract.fields]
    left = [check for number, check in enumerate(contract.checks) if number not in placed]
    quality = [*map(_custom, left), *(_of_rule(contract.on, name, rule) for name, rule in contract.rules.items())]
    table = {"name": contract.on, "logicalType": "object", "physicalType": "table", "properties": properties}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "id": f"dataflow-{contract.on.replace('.', '-')}",
        "version": contract.version,
        "status": "active",
        **({"team": {"name": contract.owner}} if contract.owner else {}),
        "schema": [{**table, **({"quality": quality} if quality else {})}],
    }


def _property(name: str, contract: Contract, placed: list[int]) -> dict[str, Any]:
    kind = contract.fields[name]
    logical = logical_type(kind)
    found: dict[str, Any] = {"name": name, "logicalType": logical, "physicalType": kind}
    if logical == "array":
        inner = kind.removesuffix("[]")
        found["items"] = {"name": "item", "logicalType": logical_type(inner), "physicalType": inner}
    if name in contract.descriptions:
        found["description"] = contract.descriptions[name]
    if name in contract.personal:
        found["classification"] = contract.personal[name]
    if name in contract.key:
        found |= {"primaryKey": True, "primaryKeyPosition": list(contract.key).index(name) + 1}
    options: dict[str, Any] = {}
    for number, check in enumerate(contract.checks):
        if check.get("field") == name and _place(check, logical, found, options):
            placed.append(number)
    if options:
        found["logicalTypeOptions"] = options
    return found


def _place(check: Check, logical: str, found: dict[str, Any], options: dict[str, Any]) -> bool:
    """Write a check into its property; return whether it has a place there, which is free."""
    match dict(check):
        case {"rule": "required" | "unique" as rule, "field": _, **rest} if not rest and rule not in found:
            found[rule] = True
        case {"rule": "one_of", "field": _, "values": values, **rest} if not rest and "quality" not in found:
            valid = {"metric": "invalidValues", "arguments": {"validValues": list(values)}, "mustBe": 0}
            found["quality"] = [valid]
        case {"rule": "matches", "field": _, "pattern": pattern, **rest} if (
            not rest and logical == "string" and "pattern" not in options
        ):
            options["pattern"] = pattern
        case {"rule": "at_least" | "at_most" as rule, "field": _, "value": int() | float() as value, **rest} if (
            not rest and logical in ("integer", "number") and _BOUNDS[rule] not in options
        ):
            options[_BOUNDS[rule]] = value
        case _:
            return False
    return True


_BOUNDS = {"at_least": "minimum", "at_most": "maximum"}


def _custom(check: Check) -> dict[str, Any]:
    return {"type": "custom", "engine": ENGINE, "implementation": dict(check)}


def _of_rule(on: str, name: str, rule: Any) -> dict[str, Any]:
    if not rule.get("holds"):
        return _custom({"rules": name, **rule})
    broken = f"({rule['holds']}) IS NOT TRUE" if rule.get("when_null") == "fail" else f"NOT ({rule['holds']})"
    more = list(_custom_properties(rule))
    return {
        "name": name,
        "type": "sql",
        "query": f"SELECT COUNT(*) FROM {on} WHERE {broken}",
        "mustBe": 0,
        "description": rule["reason"],
        "severity": rule.get("severity", "reject"),
        **({"customProperties": more} if more else {}),
    }


def _custom_properties(rule: Any) -> Iterator[dict[str, Any]]:
    for name in _CUSTOM:
        if rule.get(name):
            yield {"property": name, "value": str(rule[name]) if name == "since" else rule[name]}
