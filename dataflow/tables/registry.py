"""The registry of tables; an incomplete declaration is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dataflow.errors import ConfigurationError
from dataflow.tables import conformed, enriched, ops, published, resolved
from dataflow.tables.columns import CLASSIFICATIONS
from lakehouse.table import Table

STATIC = (*conformed.TABLES, *resolved.TABLES, *enriched.TABLES, *published.TABLES, *ops.TABLES)


def register(tables: Iterable[Table]) -> Mapping[str, Table]:
    """Index tables by full name. Raises: ConfigurationError naming all duplicates and all missing parts."""
    found: dict[str, Table] = {}
    faults: list[str] = []
    seen: dict[str, str] = {}
    for table in tables:
        # The lake's names know no case.
        other = seen.setdefault(table.full_name.lower(), table.full_name)
        if table.full_name in found:
            faults.append(f"{table.full_name} is declared twice")
        elif other != table.full_name:
            faults.append(f"{other} and {table.full_name} differ by case only, and the lake has one of them")
        found[table.full_name] = table
        faults += gaps(table)
    if faults:
        raise ConfigurationError("Table declarations are incomplete: " + "; ".join(faults) + ".")
    return found


def gaps(table: Table) -> list[str]:
    """List the missing parts of a declaration: grain, owner, key, classes of personal data, erasure column."""
    names = table.column_names
    name = table.full_name
    faults = [f"{name} has no {part}" for part in ("grain", "owner", "key") if not getattr(table, part)]
    faults += [f"{name} has no column {key} for its key" for key in table.key if key not in names]
    faults += [f"{name} declares {c} twice" for c in sorted({c for c in names if names.count(c) > 1})]
    alike: dict[str, list[str]] = {}
    for column in dict.fromkeys(names):
        alike.setdefault(column.lower(), []).append(column)
    faults += [
        f"{name}: the columns {' and '.join(some)} differ by case only, and a table has one of them"
        for some in alike.values()
        if len(some) > 1
    ]
    faults += [
        f"{name}.{column.name} has the unknown class {column.classification}"
        for column in table.columns
        if column.classification not in CLASSIFICATIONS
    ]
    faults += [f"{name}.{column.name} has no description" for column in table.columns if not column.description]
    personal = any(column.classification != "none" for column in table.columns)
    if personal and table.subject is None:
        faults.append(f"{name} holds personal data and names no column by which a person is erased")
    if table.subject is not None and table.subject not in names:
        faults.append(f"{name} has no column {table.subject} to erase by")
    return faults
