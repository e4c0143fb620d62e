"""Mappings from dataflow.toml, compiled to Ibis expressions over the valid tables.

Shape of every compiled mapping: the columns of its conformed table as mapped, not yet normalised, one row per record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import ibis
from ibis.backends.sql.datatypes import DuckDBType
from ibis.expr import datatypes as dt
from ibis.expr import types as ir

from dataflow.conform.expressions import as_text, joined_text
from dataflow.conform.joining import Join, check_join, joined
from dataflow.conform.names_in_scope import GroupScope, RowScope, WantedScope
from dataflow.conform.operators import SEPARATOR, build_value, record_id
from dataflow.errors import MappingError
from dataflow.settings import MappingSettings, Settings
from dataflow.tables import conformed
from dataflow.tables.columns import LINEAGE
from dataflow.workspace.relations import relation
from lakehouse.table import Table

TARGETS: Mapping[str, Table] = {table.name: table for table in conformed.TABLES}
_CARRIED = tuple(column.name for column in LINEAGE if column.name != "_run_id")


@dataclass(frozen=True)
class CompiledMapping:
    """One mapping, its names checked against the declared tables."""

    name: str
    settings: MappingSettings
    target: Table
    source: Table
    joins: tuple[Join, ...]
    siblings: Mapping[str, CompiledMapping]

    @property
    def prefix(self) -> str:
        """The beginning of the ids of this mapping's records."""
        source, _, object_name = self.settings.object.partition(".")
        return f"{source}{SEPARATOR}{self.settings.record_object or object_name}{SEPARATOR}"

    @property
    def is_grouped(self) -> bool:
        return bool(self.settings.group_by)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns of the source table that tell which record a row belongs to."""
        return tuple(self.settings.group_by) or ("_record_key",)

    def keys(self, name: str) -> ir.Table:
        """Name a table of `key_columns` that the stage makes on its connection."""
        types = {column: DuckDBType.from_string(self.source.column(column).type) for column in self.key_columns}
        return ibis.table(types, name=name)

    def key_of(self, rows: ir.Table) -> ir.StringValue:
        """The record key: the source's own, or the MD5 of the grouping fields; null where all of them are."""
        if not self.is_grouped:
            return as_text(rows["_record_key"])
        whole = joined_text([rows[name] for name in self.settings.group_by])
        return as_text(whole.hexdigest("md5"))

    def id_of(self, rows: ir.Table) -> ir.StringValue:
        """The id of the record that a row belongs to."""
        return record_id(self.prefix, self.key_of(rows))

    def source_rows(self, keys: ir.Table) -> ir.Table:
        """The rows of the source table that make up the records of `keys`."""
        rows = relation(self.source)
        rows = rows.semi_join(keys, [rows[name].identical_to(keys[name]) for name in self.key_columns])
        for name, wanted in self.settings.where.items():
            rows = rows.filter(rows[name] == ibis.literal(wanted).cast(rows[name].type()))
        return rows.filter(self.key_of(rows).notnull()) if self.is_grouped else rows

    def records(self, keys: ir.Table) -> ir.Table:
        """The mapped records of `keys`."""
        chosen = self.source_rows(keys)
        return self._grouped(chosen) if self.is_grouped else self._plain(chosen)

    def _plain(self, chosen: ir.Table) -> ir.Table:
        for join in self.joins:
            chosen = joined(chosen, join)
        scope = RowScope(self, chosen)
        mapped = {name: self._value(name, scope) for name in self.settings.fields}
        carried = {name: chosen[name] for name in _CARRIED}
        return chosen.select(**{self.target.key[0]: self.id_of(chosen)}, **mapped, **carried)

    def _grouped(self, chosen: ir.Table) -> ir.Table:
        in_time = ibis.window(order_by=[chosen["_changed_at"], chosen["_record_key"]])
        ordered = chosen.mutate(_order=ibis.row_number().over(in_time), _group_key=self.key_of(chosen))
        wanted = WantedScope(self, ordered)
        for name in self.settings.fields:
            self._value(name, wanted)
        grouped = ordered.group_by("_group_key").aggregate(
            _extracted_at=ordered["_extracted_at"].max(),
            _row_hash=ordered["_row_hash"].argmax(ordered["_order"]),
            **wanted.aggregates,
        )
        scope = GroupScope(self, grouped)
        source, object_name, _ = self.prefix.split(SEPARATOR)
        return grouped.select(
            **{self.target.key[0]: record_id(self.prefix, as_text(grouped["_group_key"]))},
            **{name: self._value(name, scope) for name in self.settings.fields},
            _source=ibis.literal(source),
            _object=ibis.literal(object_name),
            _record_key=grouped["_group_key"],
            _extracted_at=grouped["_extracted_at"],
            _row_hash=grouped["_row_hash"],
        )

    def _value(self, column: str, scope: RowScope) -> ir.Value:
        scope.place = f"mappings.{self.name}.fields.{column}"
        value = build_value(self.settings.fields[column], scope)
        wanted = DuckDBType.from_string(self.target.column(column).type)
        if not _fits(value.type(), wanted):
            raise MappingError(
                f"{scope.place} gives {value.type()}, but {self.target.full_name}.{column} is {wanted}.",
                next_move="Declare the source field with a type that fits: what cannot be cast becomes a dead letter.",
            )
        return value.cast(wanted)


def compile_mappings(settings: Settings, tables: Mapping[str, Table]) -> dict[str, CompiledMapping]:
    """Compile every mapping and check every name in it. Raises: MappingError listing what exists."""
    compiled: dict[str, CompiledMapping] = {}
    for name, declared in settings.mappings.items():
        compiled[name] = _compile(name, declared, siblings=compiled, tables=tables)
    for mapping in compiled.values():
        mapping.records(mapping.keys("keys"))
    return compiled


def _compile(
    name: str, declared: MappingSettings, *, siblings: Mapping[str, CompiledMapping], tables: Mapping[str, Table]
) -> CompiledMapping:
    place = f"mappings.{name}"
    _refuse_unknown(f"{place}.table", [declared.table], TARGETS)
    target = TARGETS[declared.table]
    source = valid_table(declared.object, tables, place=f"{place}.object")
    _refuse_unknown(f"{place}.fields", declared.fields, mappable_columns(target))
    _refuse_unknown(f"{place}.where", declared.where, source.column_names)
    _refuse_unknown(f"{place}.group_by", declared.group_by, source.column_names)
    if declared.group_by and declared.joins:
        raise MappingError(f"{place} has both group_by and joins, but a group is made of one object's rows.")
    joins = tuple(
        Join(alias=alias, table=valid_table(one.object, tables, place=f"{place}.joins.{alias}.object"), settings=one)
        for alias, one in declared.joins.items()
    )
    for join in joins:
        check_join(join, source, place=f"{place}.joins.{join.alias}")
    return CompiledMapping(name, declared, target, source, joins, siblings)


def mappable_columns(target: Table) -> list[str]:
    """The columns of a conformed table that a mapping can fill."""
    kept = {column.name for column in LINEAGE} | set(target.key)
    return [name for name in target.column_names if name not in kept]


def valid_table(object_name: str, tables: Mapping[str, Table], *, place: str) -> Table:
    """The valid table of `source.object`. Raises: MappingError listing the objects there are."""
    found = tables.get("valid." + object_name.replace(".", "_", 1))
    if found is None:
        known = ", ".join(name.removeprefix("valid.") for name in tables if name.startswith("valid."))
        raise MappingError(f"{place} names {object_name!r}; the declared objects are (source_object): {known}.")
    return found


def _refuse_unknown(place: str, names: Iterable[str], known: Iterable[str]) -> None:
    there = list(known)
    unknown = [name for name in names if name not in there]
    if unknown:
        raise MappingError(f"{place} names {', '.join(map(repr, unknown))}; there are: {', '.join(there)}.")


def _fits(given: dt.DataType, wanted: dt.DataType) -> bool:
    """Whether a cast loses nothing and never fails: text can hold all, only text is read by the declared types."""
    if wanted.is_string() or given.is_null() or given == wanted:
        return True
    if wanted.is_numeric():
        return bool(given.is_numeric())
    if wanted.is_timestamp():
        return bool(given.is_timestamp() or given.is_date())
    return bool(given.is_boolean() and wanted.is_boolean())
