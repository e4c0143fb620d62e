"""The tables of one configuration: the fixed ones, and a raw and a valid table for each object of each source."""

from __future__ import annotations

from collections.abc import Mapping

from dataflow.settings import ObjectSettings, Settings
from dataflow.settings.field_types import column_type
from dataflow.tables.raw import raw_table, valid_table
from dataflow.tables.registry import STATIC, register
from lakehouse.table import Column, Table


def declared_tables(settings: Settings) -> Mapping[str, Table]:
    """Index every table by full name. Raises: ConfigurationError for incomplete or duplicate declarations."""
    tables = list(STATIC)
    for source, system in settings.sources.items():
        for name, declared in system.objects.items():
            tables.append(raw_table(source, name))
            tables.append(valid_table(source, name, field_columns(source, name, declared)))
    return register(tables)


def declared_objects(settings: Settings) -> list[tuple[str, str]]:
    """List the objects of all sources, each as (source, object)."""
    return [(source, name) for source, system in settings.sources.items() for name in system.objects]


def field_columns(source: str, object_name: str, declared: ObjectSettings) -> tuple[Column, ...]:
    """Turn the declared fields of an object into columns; a field without a declared class is `free_text`."""
    return tuple(
        Column(
            field, column_type(kind), f"{field} of {source} {object_name}", declared.personal.get(field, "free_text")
        )
        for field, kind in declared.fields.items()
    )
