"""Raw and valid tables: one of each per configured object of a source."""

from __future__ import annotations

from collections.abc import Iterable

from dataflow.tables.columns import LINEAGE, PSEUDONYM, row_of
from lakehouse.table import Column, Table

CHANGED_AT = Column("_changed_at", "TIMESTAMPTZ", "Version of the record at the source: its cursor value", "none")


def raw_table(source: str, object_name: str) -> Table:
    """Declare `raw.<source>_<object>`: every version of every record, as received."""
    return Table(
        schema="raw",
        name=f"{source}_{object_name}",
        grain=f"version of a {object_name} received from {source}",
        key=("_record_key", "_changed_at", "_row_hash"),
        owner="data engineering",
        subjects=(row_of("record_key", "_record_key", "_row_hash", "_locator"),),
        append_only=True,
        survives_restore=True,
        columns=(
            *LINEAGE,
            CHANGED_AT,
            Column("_is_deleted", "BOOLEAN", "The record is deleted at the source", "none", nullable=False),
            Column("_locator", "VARCHAR", "File and line, or page, it came from", "pseudonym"),
            Column("_defect", "VARCHAR", "Why the reader could not parse the row; null for a well-formed row", "none"),
            Column("payload", "VARCHAR", "The row as received, JSON text", "free_text", nullable=False),
        ),
    )


def valid_table(source: str, object_name: str, fields: Iterable[Column]) -> Table:
    """Declare `valid.<source>_<object>`: the newest valid version of each record, typed."""
    columns = (*LINEAGE, CHANGED_AT, *fields)
    pseudonyms = [column.name for column in columns if column.classification == PSEUDONYM]
    return Table(
        schema="valid",
        name=f"{source}_{object_name}",
        grain=f"{object_name} of {source}",
        key=("_record_key",),
        owner="data engineering",
        subjects=(row_of("record_key", "_record_key", *(name for name in pseudonyms if name != "_record_key")),),
        made_anew=True,
        columns=columns,
    )
