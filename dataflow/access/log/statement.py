"""What a person's statement reads, from its parse tree: tables, columns, persons; and a keyed hash of its form."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

ALL_COLUMNS = "*"
PERSON_COLUMN = "customer_id"

# Where a token stands in the text is not part of its form.
_PLACES = frozenset({"query_location"})
_LITERAL = "value"


@dataclass
class Facts:
    """What one statement names. `tables` are schema.table as written; `persons` are compared with a customer id."""

    tables: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    persons: list[str] = field(default_factory=list)


def facts_of(tree: Any) -> Facts:
    """Collect what a parsed statement names, each once, in the order of the tree."""
    facts = Facts()
    for node in _nodes(tree):
        match node.get("class") or node.get("type"):
            case "BASE_TABLE" if node.get("schema_name"):
                facts.tables.append(f"{node['schema_name']}.{node['table_name']}")
            case "COLUMN_REF":
                facts.columns += node["column_names"]
            case "STAR":
                facts.columns.append(ALL_COLUMNS)
            case "JOIN":
                facts.columns += node.get("using_columns") or []
            case "COMPARISON" if node["type"] == "COMPARE_EQUAL":
                facts.persons += _persons([node["left"], node["right"]])
            case "OPERATOR" if node["type"] == "COMPARE_IN":
                facts.persons += _persons(node["children"])
    return Facts(*(list(dict.fromkeys(found)) for found in (facts.tables, facts.columns, facts.persons)))


def form_hash(tree: Any, key: bytes) -> str:
    """Return the keyed hash of a parsed statement without its literals: alike for all values and ways of writing."""
    digest = hmac.new(key, digestmod=sha256)
    # An explicit stack: a statement can be nested deeper than Python's calls.
    stack: list[Any] = [tree]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            is_literal = value.get("class") == "CONSTANT"
            digest.update(b"{")
            stack.append(b"}")
            for name in sorted(value.keys() - _PLACES, reverse=True):
                stack += [b"?" if is_literal and name == _LITERAL else value[name], name]
        elif isinstance(value, list):
            digest.update(b"[")
            stack.append(b"]")
            stack.extend(reversed(value))
        elif isinstance(value, bytes):
            digest.update(value)
        else:
            digest.update(repr(value).encode("utf-8", "surrogatepass") + b",")
    return digest.hexdigest()


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    stack = [tree]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            yield value
            stack.extend(reversed(value.values()))
        elif isinstance(value, list):
            stack.extend(reversed(value))


def _persons(sides: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the texts that a column of customer ids is compared with."""
    if any(side["class"] == "COLUMN_REF" and side["column_names"][-1].lower() == PERSON_COLUMN for side in sides):
        values = (side["value"].get("value") for side in sides if side["class"] == "CONSTANT")
        yield from (value for value in values if isinstance(value, str))
