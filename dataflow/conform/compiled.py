"""Hold a mapping of dataflow.toml with checked names: the source rows that make up its records, and their ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.conform.expressions import as_text, joined_text
from dataflow.conform.joining import Join
from dataflow.conform.operators import SEPARATOR, record_id
from dataflow.settings import MappingSettings
from dataflow.sources.record_key import KeyKinds
from dataflow.workspace.ibis_types import ibis_type
from dataflow.workspace.relations import relation
from lakehouse.deferred import deferred
from lakehouse.table import Table

if TYPE_CHECKING:
    import ibis
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    ir = deferred("ibis.expr.types")


@dataclass(frozen=True)
class CompiledMapping:
    """One mapping, its names checked against the declared tables."""

    name: str
    settings: MappingSettings
    target: Table
    source: Table
    joins: tuple[Join, ...]
    siblings: Mapping[str, CompiledMapping]
    key_kinds: KeyKinds
    """The types of the source object's key."""

    @property
    def prefix(self) -> str:
        """Return the common prefix of the ids of this mapping's records."""
        source, _, object_name = self.settings.object.partition(".")
        return f"{source}{SEPARATOR}{self.settings.record_object or object_name}{SEPARATOR}"

    @property
    def is_grouped(self) -> bool:
        return bool(self.settings.group_by)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """Return the columns of the source table that identify the record of a row."""
        return tuple(self.settings.group_by) or ("_record_key",)

    def keys(self, name: str) -> ir.Table:
        """Return the relation of a table of `key_columns` that the stage creates on its connection."""
        types = {column: ibis_type(self.source.column(column).type) for column in self.key_columns}
        return ibis.table(types, name=name)

    def key_of(self, rows: ir.Table) -> ir.StringValue:
        """Return the record key: the source's own, or the MD5 of the grouping fields; null where all are null."""
        if not self.is_grouped:
            return as_text(rows["_record_key"])
        whole = joined_text([rows[name] for name in self.settings.group_by])
        return as_text(whole.hexdigest("md5"))

    def id_of(self, rows: ir.Table) -> ir.StringValue:
        """Return the id of the record that a row belongs to."""
        return record_id(self.prefix, self.key_of(rows))

    def source_rows(self, keys: ir.Table) -> ir.Table:
        """Return the rows of the source table that make up the records of `keys`."""
        rows = relation(self.source)
        rows = rows.semi_join(keys, [rows[name].identical_to(keys[name]) for name in self.key_columns])
        for name, wanted in self.settings.where.items():
            rows = rows.filter(rows[name] == ibis.literal(wanted).cast(rows[name].type()))
        return rows.filter(self.key_of(rows).notnull()) if self.is_grouped else rows
