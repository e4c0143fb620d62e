"""List which field of a source feeds which column of our model, and which field feeds none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dataflow.conform.joining import ONE_MINUS
from dataflow.settings import Settings
from dataflow.settings.model import MappingSettings, ObjectSettings
from dataflow.sources.rows import key_fields
from dataflow.tables.declared import declared_objects

Use = tuple[str, str, str]
"""Object, field, and what the field feeds."""


@dataclass(frozen=True, kw_only=True)
class FieldUse:
    """A field of an object, and what it feeds: columns of conformed tables, and what else reads it."""

    object: str
    field: str
    type: str
    feeds: tuple[str, ...]


def read_coverage(settings: Settings) -> list[FieldUse]:
    """List the fields of all declared objects, in the order of their declaration."""
    feeds: dict[tuple[str, str], dict[str, None]] = {}
    for name, declared in settings.mappings.items():
        for object_name, field, fed in _uses(name, declared):
            feeds.setdefault((object_name, field), {})[fed] = None
    found = []
    for source, name in declared_objects(settings):
        of_object, object_name = settings.sources[source].objects[name], f"{source}.{name}"
        own = _own_uses(of_object)
        for field, kind in of_object.fields.items():
            uses = (*feeds.get((object_name, field), ()), *own.get(field, ()))
            found.append(FieldUse(object=object_name, field=field, type=kind, feeds=uses))
    return found


def _own_uses(declared: ObjectSettings) -> dict[str, list[str]]:
    """Return what landing and validation read of an object's fields."""
    uses: dict[str, list[str]] = {}
    for field in key_fields(declared):
        uses.setdefault(field, []).append("key")
    for what, field in (
        ("cursor", declared.cursor),
        ("deletion", declared.deleted_flag),
        ("deletion", declared.deleted_when_set),
    ):
        if field:
            uses.setdefault(field, []).append(what)
    return uses


def _uses(name: str, mapping: MappingSettings) -> Iterator[Use]:
    aliases = {alias: join.object for alias, join in mapping.joins.items()}
    sums = {(alias, total): names for alias, join in mapping.joins.items() for total, names in join.sums.items()}
    for column, expression in mapping.fields.items():
        for text in _texts(expression):
            alias, _, field = text.rpartition(".")
            for summed in sums.get((alias, field), [field]):
                of_object = aliases.get(alias, "") if alias else mapping.object
                yield of_object, summed.removeprefix(ONE_MINUS), f"{mapping.table}.{column}"
    yield from ((mapping.object, field, f"rows of {name}") for field in (*mapping.where, *mapping.group_by))
    for alias, join in mapping.joins.items():
        for theirs, mine in join.on.items():
            yield join.object, theirs, f"join {alias}"
            above, _, field = mine.rpartition(".")
            yield aliases.get(above, mapping.object), field, f"join {alias}"
        yield from ((join.object, field.removeprefix("-"), f"join {alias}") for field in join.prefer)


def _texts(expression: Any) -> Iterator[str]:
    """Yield every text of an expression; those that are not names of fields feed nothing."""
    if isinstance(expression, str):
        yield expression
    elif isinstance(expression, dict):
        for value in expression.values():
            yield from _texts(value)
    elif isinstance(expression, list | tuple):
        for value in expression:
            yield from _texts(value)
