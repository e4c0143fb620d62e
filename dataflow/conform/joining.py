"""Join a second object to the mapped one: one row each, the first in the order that the mapping prefers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import mul
from typing import TYPE_CHECKING

from checks.registry import nearest
from dataflow.conform.keys import as_key
from dataflow.errors import MappingError
from dataflow.settings import JoinSettings
from dataflow.sources.record_key import KeyKinds
from dataflow.workspace.relations import relation
from lakehouse.deferred import deferred
from lakehouse.table import Table

if TYPE_CHECKING:
    import ibis
    from ibis.expr import datatypes as dt
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    dt = deferred("ibis.expr.datatypes")
    ir = deferred("ibis.expr.types")

ONE_MINUS = "1 - "
"""Before a field in a sum: 1 less its value, as of a discount."""
_DECIMALS = 4
_PLACE = "_place"


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


def check_join(join: Join, source: Table, *, place: str, above: Sequence[Join] = ()) -> None:
    """Refuse unknown field names. Raises: MappingError listing the known ones."""
    reached = [joined_name(one.alias, name) for one in above for name in one.table.column_names]
    factors = [name.removeprefix(ONE_MINUS) for names in join.settings.sums.values() for name in names]
    sides = [
        ("on", list(join.settings.on), join.table.column_names, join.table),
        ("on", list(join.settings.on.values()), (*source.column_names, *reached), source),
        ("prefer", [name.removeprefix("-") for name in join.settings.prefer], join.table.column_names, join.table),
        ("sums", factors, join.table.column_names, join.table),
    ]
    for word, names, there, table in sides:
        unknown = [name for name in names if name not in there]
        if unknown:
            known = ", ".join(name for name in there if not name.rpartition(".")[2].startswith("_"))
            hints = "".join(dict.fromkeys(nearest(name, there) for name in unknown))
            raise MappingError(
                f"{place}.{word} names {', '.join(map(repr, unknown))}; {table.name} has: {known}.{hints}"
            )
    if any(not names for names in join.settings.sums.values()):
        raise MappingError(f"{place}.sums has a sum of nothing; name the fields whose product is summed up.")
    if not join.settings.on:
        raise MappingError(f"{place}.on is empty; declare which fields must be equal.")


def joined(rows: ir.Table, join: Join) -> ir.Table:
    """Add the fields of the preferred joined row to each row, or the sums; null where there is none."""
    best = _sums(rows, join) if join.settings.sums else _best(rows, join)
    renamed = best.select(**{joined_name(join.alias, name): best[name] for name in best.columns if name != _PLACE})
    on = [
        join.equals(renamed[joined_name(join.alias, theirs)], rows[mine], field=theirs)
        for theirs, mine in join.settings.on.items()
    ]
    return rows.left_join(renamed, on)


def _sums(rows: ir.Table, join: Join) -> ir.Table:
    """Return the sums by the values of `on`, of all rows that share them."""
    other = relation(join.table)
    on = [join.equals(other[theirs], rows[mine], field=theirs) for theirs, mine in join.settings.on.items()]
    needed = other.semi_join(rows, on)
    summed = {name: _product(needed, names).sum() for name, names in join.settings.sums.items()}
    # Keys that are written in several forms are one: one of the forms stands for all.
    same = {f"_same_{number}": as_key(needed[name], join.forms[name]) for number, name in enumerate(join.settings.on)}
    found = needed.group_by(**same).aggregate(**{name: needed[name].min() for name in join.settings.on}, **summed)
    return found.drop(*same)


def _product(rows: ir.Table, names: Sequence[str]) -> ir.DecimalColumn:
    """Return the product of fields, exact to four decimals: prices times quantities, less a discount."""
    factors = [
        1 - rows[name.removeprefix(ONE_MINUS)].cast("float64") if name.startswith(ONE_MINUS)
        else rows[name].cast("float64")
        for name in names
    ]  # fmt: skip
    whole = reduce(mul, factors)
    rounded = whole.round(_DECIMALS).cast(dt.Decimal(18, _DECIMALS))
    assert isinstance(rounded, ir.DecimalColumn)
    return rounded


def _best(rows: ir.Table, join: Join) -> ir.Table:
    other = relation(join.table)
    on = [join.equals(other[theirs], rows[mine], field=theirs) for theirs, mine in join.settings.on.items()]
    needed = other.semi_join(rows, on)
    # The record key is last: without a total order two runs could choose different rows.
    order = [_ordering(needed, name) for name in (*join.settings.prefer, "_record_key")]
    same = [as_key(needed[name], join.forms[name]) for name in join.settings.on]
    place = ibis.row_number().over(ibis.window(group_by=same, order_by=order))
    ranked = needed.mutate(**{_PLACE: place})
    return ranked.filter(ranked[_PLACE] == 0)


def _ordering(rows: ir.Table, name: str) -> ir.Value:
    column = rows[name.removeprefix("-")]
    return column.desc() if name.startswith("-") else column.asc()
