"""What the names in a field expression mean: in a row, and in a group of rows."""

from __future__ import annotations

from ibis.expr import types as ir

from dataflow.conform.compiled import CompiledMapping
from dataflow.conform.joining import joined_name
from dataflow.errors import MappingError


class RowScope:
    """Names as one source row sees them."""

    def __init__(self, mapping: CompiledMapping, rows: ir.Table) -> None:
        self.mapping = mapping
        self.rows = rows
        self.place = f"mappings.{mapping.name}"

    def field(self, name: str) -> ir.Value:
        """The column of a field, or of a joined object's field (`join.field`)."""
        alias, dot, inner = name.partition(".")
        column = joined_name(alias, inner) if dot else name
        if column not in self.rows.columns:
            raise MappingError(f"{self.place} names {name!r}; there are: {', '.join(self._known())}.")
        return self.rows[column]

    def record_prefix(self, object_name: str) -> str:
        """The beginning of the ids of an object's records."""
        prefixes = {one.settings.object: one.prefix for one in self.mapping.siblings.values() if not one.is_grouped}
        if object_name not in prefixes:
            raise MappingError(
                f"{self.place} names the object {object_name!r}; mapped are: {', '.join(sorted(prefixes))}."
            )
        return prefixes[object_name]

    def group_id(self, name: str) -> ir.Value:
        """The id of the group that the row belongs to in another mapping of the same object."""
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
            for name in join.table.column_names
            if not name.startswith("_")
        ]
        return own + others


class WantedScope(RowScope):
    """Collects what a group has to hold: its grouping fields, and values over time."""

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
                f"{self.place} names {name!r}, which may differ within a group (group_by is {', '.join(grouping)}); "
                f'say which value, e.g. {{ latest = "{name}" }}.'
            )
        return value

    def over_time(self, operator: str, name: str) -> ir.Value:
        """Of a time or date the last or first there is; of anything else that of the last or first row that has one."""
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
    """Names as a group sees them."""

    def field(self, name: str) -> ir.Value:
        return self.rows[f"_by_{name}"]

    def over_time(self, operator: str, name: str) -> ir.Value:
        return self.rows[f"_{operator}_{name}"]
