"""A proposed mapping: the expression of each column as TOML, and its evidence."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Field:
    """A column of a conformed table: the expression as TOML, and why."""

    expression: str
    evidence: str = ""


@dataclass
class Mapping:
    """A proposed mapping. `joins` are tables in TOML by alias; `todo` is what a user is asked."""

    name: str
    table: str
    object: str
    fields: dict[str, Field] = field(default_factory=dict)
    joins: dict[str, list[str]] = field(default_factory=dict)
    group_by: list[str] = field(default_factory=list)
    record_object: str = ""
    todo: list[str] = field(default_factory=list)


def quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
