"""Resolve the names in a field expression: to fields of a row, or to values of a group of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.registry import nearest
from dataflow.conform.compiled import CompiledMapping
from dataflow.conform.joining import joined_name
from dataflow.errors import MappingError
from lakehouse.deferred import deferred

if TYPE_CHECKING:
    from ibis.expr import types as ir
else:
    ir = deferred("ibis.expr.types")


class RowScope:
    """Names resolved to the columns of one source row."""

    def __init__(self, mapping: CompiledMapping, rows: ir.Table) -> None:
        self.mapping = mapping
        self.rows = rows
        self.place = f"mappings.{mapping.name}"

    def field(self, name: str) -> ir.Value:
        """Return the column of a field, or of a joined object's field (`join.field`)."""
        alias, dot, inner = name.partition(".")
        column = joined_name(alias, inner) if dot else name
        if column not in self.rows.columns:
            known = self._known()
            raise MappingError(f"{self.place} names {name!r}; there are: {', '.join(known)}.{nearest(name, known)}")
        return self.rows[column]

    def record_mapping(self, name: str) -> CompiledMapping:
        """Return the mapping of this name, or the one that reads the object of this name."""
        records = {key: one for key, one in self.mapping.siblings.items() if not one.is_grouped}
        if name in records:
            return records[name]
        readers = {key: one for key, one in records.items() if one.settings.object == name}
        if not readers:
            known = sorted({one.settings.object for one in records.values()})
            raise MappingError(f"{self.place} names the object {name!r}; mapped are: {', '.join(known)}.")
        if len({one.prefix for one in readers.values()}) > 1:
            raise MappingError(
                f"{self.place} refers to records of {name}, and these mappings make records of it: "
                f"{', '.join(sorted(readers))}. Name the mapping: record = {sorted(readers)[0]!r}."
            )
        return next(iter(readers.values()))

    def group_id(self, name: str) -> ir.Value:
        """Return the id of the group that the row belongs to in another mapping of the same object."""
        groups = {
            key: one
            for key, one in self.mapping.siblings.items()
            if one.is_grouped and one.source == self.mapping.source
        }
        if name not in groups:
            raise MappingError(
                f"{self.place} names the group {name!r}; the mappings of {self.mapping.settings.object} with group_by "
                f"are: {', '.join(groups) or 'none'}."
            )
        return groups[name].id_of(self.rows)

    def over_time(self, operator: str, name: str) -> ir.Value:
        raise MappingError(f"{self.place}: {operator} of {name!r} needs a mapping with group_by.")

    def _known(self) -> list[str]:
        own = [name for name in self.mapping.source.column_names if not name.startswith("_")]
        others = [
            f"{join.alias}.{name}"
            for join in self.mapping.joins
            for name in (*join.settings.sums, *join.table.column_names)
            if not name.startswith("_")
        ]
        return own + others


class WantedScope(RowScope):
    """Collect what a group must aggregate: its grouping fields, and values over time."""

    def __init__(self, mapping: CompiledMapping, rows: ir.Table) -> None:
        super().__init__(mapping, rows)
        self.aggregates: dict[str, ir.Value] = {
            f"_by_{name}": rows[name].arbitrary() for name in mapping.settings.group_by
        }

    def field(self, name: str) -> ir.Value:
        value = super().field(name)
        grouping = self.mapping.settings.group_by
        if name not in grouping:
            raise MappingError(
                f"{self.place} names {name!r}, which can differ within a group (group_by is {', '.join(grouping)}); "
                f'declare which value to take, e.g. {{ latest = "{name}" }}.'
            )
        return value

    def over_time(self, operator: str, name: str) -> ir.Value:
        """Aggregate the extreme of a time or date; of another field, its value in the last or first row with one."""
        column = super().field(name) if name in self.mapping.settings.group_by else RowScope.field(self, name)
        assert isinstance(column, ir.Column)
        is_latest = operator == "latest"
        if isinstance(column, ir.TimestampColumn | ir.DateColumn):
            found: ir.Value = column.max() if is_latest else column.min()
        else:
            order, given = self.rows["_order"], column.notnull()
            found = column.argmax(order, where=given) if is_latest else column.argmin(order, where=given)
        self.aggregates[f"_{operator}_{name}"] = found
        return column


class GroupScope(RowScope):
    """Names resolved to the aggregated columns of a group."""

    def field(self, name: str) -> ir.Value:
        return self.rows[f"_by_{name}"]

    def over_time(self, operator: str, name: str) -> ir.Value:
        return self.rows[f"_{operator}_{name}"]
