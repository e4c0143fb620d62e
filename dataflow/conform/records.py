"""Build the records that a mapping makes of its rows, as Ibis expressions.

Shape: the columns of its conformed table as mapped, not yet normalised, one row per record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.conform.compiled import CompiledMapping
from dataflow.conform.expressions import as_text
from dataflow.conform.joining import joined
from dataflow.conform.names_in_scope import GroupScope, RowScope, WantedScope
from dataflow.conform.operators import SEPARATOR, build_value, record_id
from dataflow.errors import MappingError
from dataflow.tables.columns import LINEAGE
from dataflow.workspace.ibis_types import ibis_type
from lakehouse.deferred import deferred

if TYPE_CHECKING:
    import ibis
    from ibis.expr import datatypes as dt
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    dt = deferred("ibis.expr.datatypes")
    ir = deferred("ibis.expr.types")

_CARRIED = tuple(column.name for column in LINEAGE if column.name != "_run_id")


def mapped_records(mapping: CompiledMapping, keys: ir.Table) -> ir.Table:
    """Return the mapped records of `keys`."""
    chosen = mapping.source_rows(keys)
    return _grouped(mapping, chosen) if mapping.is_grouped else _plain(mapping, chosen)


def _plain(mapping: CompiledMapping, chosen: ir.Table) -> ir.Table:
    for join in mapping.joins:
        chosen = joined(chosen, join)
    scope = RowScope(mapping, chosen)
    mapped = {name: _value(mapping, name, scope) for name in mapping.settings.fields}
    carried = {name: chosen[name] for name in _CARRIED}
    return chosen.select(**{mapping.target.key[0]: mapping.id_of(chosen)}, **mapped, **carried)


def _grouped(mapping: CompiledMapping, chosen: ir.Table) -> ir.Table:
    in_time = ibis.window(order_by=[chosen["_changed_at"], chosen["_record_key"]])
    ordered = chosen.mutate(_order=ibis.row_number().over(in_time), _group_key=mapping.key_of(chosen))
    wanted = WantedScope(mapping, ordered)
    for name in mapping.settings.fields:
        _value(mapping, name, wanted)
    grouped = ordered.group_by("_group_key").aggregate(
        _extracted_at=ordered["_extracted_at"].max(),
        _row_hash=ordered["_row_hash"].argmax(ordered["_order"]),
        **wanted.aggregates,
    )
    scope = GroupScope(mapping, grouped)
    source, object_name, _ = mapping.prefix.split(SEPARATOR)
    return grouped.select(
        **{mapping.target.key[0]: record_id(mapping.prefix, as_text(grouped["_group_key"]))},
        **{name: _value(mapping, name, scope) for name in mapping.settings.fields},
        _source=ibis.literal(source),
        _object=ibis.literal(object_name),
        _record_key=grouped["_group_key"],
        _extracted_at=grouped["_extracted_at"],
        _row_hash=grouped["_row_hash"],
    )


def _value(mapping: CompiledMapping, column: str, scope: RowScope) -> ir.Value:
    scope.place = f"mappings.{mapping.name}.fields.{column}"
    value = build_value(mapping.settings.fields[column], scope)
    wanted = ibis_type(mapping.target.column(column).type)
    if not _fits(value.type(), wanted):
        raise MappingError(
            f"{scope.place} has type {value.type()}, but {mapping.target.full_name}.{column} has {wanted}.",
            next_move="Declare the source field with a type that fits: what cannot be cast becomes a dead letter.",
        )
    return value.cast(wanted)


def _fits(given: dt.DataType, wanted: dt.DataType) -> bool:
    """Return whether a cast is lossless and cannot fail: any type to text, but text to no other type."""
    if wanted.is_string() or given.is_null() or given == wanted:
        return True
    if wanted.is_numeric():
        return bool(given.is_numeric())
    if wanted.is_timestamp():
        return bool(given.is_timestamp() or given.is_date())
    return bool(given.is_boolean() and wanted.is_boolean())
