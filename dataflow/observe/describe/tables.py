"""Describe tables and the objects that dataflow.toml declares."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.observe.describe.description import Description, Record
from dataflow.settings import ObjectSettings, Settings
from dataflow.tables.declared import declared_tables
from dataflow.tables.registry import STATIC
from lakehouse.table import Column, SubjectColumn, Table


def describe_tables(settings: Settings | None) -> Sequence[Description]:
    """Describe every table of the lake; without settings, those that are the same for every company."""
    tables = STATIC if settings is None else declared_tables(settings).values()
    return [_table(table) for table in tables]


def describe_objects(settings: Settings | None) -> Sequence[Description]:
    """Describe the objects of the sources in dataflow.toml."""
    if settings is None:
        return []
    return [
        _object(f"{source}.{name}", system.adapter, declared)
        for source, system in settings.sources.items()
        for name, declared in system.objects.items()
    ]


def _table(table: Table) -> Description:
    facts = {
        "grain": table.grain,
        "key": list(table.key),
        "owner": table.owner,
        "erased by": [_subject(subject) for subject in table.subjects],
        "append only": table.append_only,
    }
    return Description(
        name=table.full_name, meaning=f"One row per {table.grain}", facts=facts, parts={"columns": _columns(table)}
    )


def _subject(subject: SubjectColumn) -> str:
    where = "" if subject.shape == "value" else f", each of the {subject.shape}"
    return f"{subject.column} ({subject.names}{where}: {subject.erasure})"


def _columns(table: Table) -> list[Record]:
    return [_column(column) for column in table.columns]


def _column(column: Column) -> Record:
    return {
        "column": column.name,
        "type": column.type,
        "null": column.nullable,
        "class": column.classification,
        "meaning": column.description,
        "values": list(column.values),
    }


def _object(name: str, adapter: str, declared: ObjectSettings) -> Description:
    fields = [
        {
            "field": field,
            "type": kind,
            "class": declared.personal.get(field, "free_text"),
            "optional": field in declared.optional,
        }
        for field, kind in declared.fields.items()
    ]
    checks = [
        {"rule": check.rule, "arguments": check.model_dump(exclude={"rule"}, mode="json")} for check in declared.checks
    ]
    facts = {
        "adapter": adapter,
        "key": declared.key,
        "cursor": declared.cursor or f"none: mode {declared.mode}",
        "on drift": declared.on_drift,
        "table": f"valid.{name.replace('.', '_', 1)}",
    }
    return Description(
        name=name,
        meaning=f"Object read by the adapter {adapter}",
        facts=facts,
        parts={"fields": fields, "checks": checks},
    )
