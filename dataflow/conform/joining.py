"""Join a second object to the mapped one: one row each, the first in the order that the mapping prefers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import ibis
from ibis.expr import types as ir

from dataflow.conform.keys import as_key
from dataflow.errors import MappingError
from dataflow.settings import JoinSettings
from dataflow.sources.record_key import KeyKinds
from dataflow.workspace.relations import relation
from lakehouse.table import Table


@dataclass(frozen=True, kw_only=True)
class Join:
    """A joined object: its alias in the mapping, its valid table, its join settings."""

    alias: str
    table: Table
    settings: JoinSettings
    forms: Mapping[str, KeyKinds]
    """For each field of `on`: the types of the key that it is, or refers to."""

    def equals(self, theirs: ir.Value, mine: ir.Value, *, field: str) -> ir.BooleanValue:
        """Return whether values of a field of `on` and of its partner are equal."""
        return as_key(theirs, self.forms[field]) == as_key(mine, self.forms[field])


def joined_name(alias: str, field: str) -> str:
    """Return the name of a joined field's column beside the fields of the mapped object."""
    return f"{alias}.{field}"


def check_join(join: Join, source: Table, *, place: str) -> None:
    """Refuse unknown field names. Raises: MappingError listing the known ones."""
    sides = [
        ("on", list(join.settings.on), join.table),
        ("on", list(join.settings.on.values()), source),
        ("prefer", [name.removeprefix("-") for name in join.settings.prefer], join.table),
    ]
    for word, names, table in sides:
        unknown = [name for name in names if name not in table.column_names]
        if unknown:
            known = ", ".join(name for name in table.column_names if not name.startswith("_"))
            raise MappingError(f"{place}.{word} names {', '.join(map(repr, unknown))}; {table.name} has: {known}.")
    if not join.settings.on:
        raise MappingError(f"{place}.on is empty; declare which fields must be equal.")


def joined(rows: ir.Table, join: Join) -> ir.Table:
    """Add the fields of the preferred joined row to each row; null where there is none."""
    best = _best(rows, join)
    renamed = best.select(**{joined_name(join.alias, name): best[name] for name in join.table.column_names})
    on = [
        join.equals(renamed[joined_name(join.alias, theirs)], rows[mine], field=theirs)
        for theirs, mine in join.settings.on.items()
    ]
    return rows.left_join(renamed, on)


def _best(rows: ir.Table, join: Join) -> ir.Table:
    other = relation(join.table)
    on = [join.equals(other[theirs], rows[mine], field=theirs) for theirs, mine in join.settings.on.items()]
    needed = other.semi_join(rows, on)
    # The record key is last: without a total order two runs could choose different rows.
    order = [_ordering(needed, name) for name in (*join.settings.prefer, "_record_key")]
    same = [as_key(needed[name], join.forms[name]) for name in join.settings.on]
    place = ibis.row_number().over(ibis.window(group_by=same, order_by=order))
    ranked = needed.mutate(_place=place)
    return ranked.filter(ranked["_place"] == 0)


def _ordering(rows: ir.Table, name: str) -> ir.Value:
    column = rows[name.removeprefix("-")]
    return column.desc() if name.startswith("-") else column.asc()
