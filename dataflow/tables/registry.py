"""The registry of tables; an incomplete declaration is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from dataflow.errors import ConfigurationError
from dataflow.tables import conformed, enriched, ops, published, resolved
from dataflow.tables.columns import CLASSIFICATIONS, NOT_PERSONAL, PSEUDONYM, SUBJECT_KINDS
from lakehouse.table import SubjectColumn, Table

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
    """List the missing parts of a declaration: grain, owner, key, classes of personal data, erasure."""
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
        if column.classification and column.classification not in CLASSIFICATIONS
    ]
    faults += [
        f"{name}.{column.name} has no class of personal data" for column in table.columns if not column.classification
    ]
    faults += [f"{name}.{column.name} has no description" for column in table.columns if not column.description]
    faults += [fault for subject in table.subjects for fault in _subject_faults(table, subject)]
    return [*faults, *_uncovered(table)]


def _subject_faults(table: Table, subject: SubjectColumn) -> Iterator[str]:
    """Yield the faults of a column that names a person."""
    name, names = f"{table.full_name}.{subject.column}", table.column_names
    yield from (f"{table.full_name} has no column {one} to erase by" for one in _named(subject) if one not in names)
    if subject.names not in SUBJECT_KINDS:
        yield f"{name} names a person by the unknown kind {subject.names}"
    if subject.column in names:
        kind = table.column(subject.column).type
        shape = "list" if kind.endswith("[]") else "map" if kind.startswith("MAP(") else "value"
        if shape != subject.shape:
            yield f"{name} is a {shape}, and its subject a {subject.shape}"
    if subject.erasure == "element" and subject.shape == "value":
        yield f"{name} has no elements to erase"


def _uncovered(table: Table) -> Iterator[str]:
    """Yield the personal columns that no subject covers: an erasure would leave them.

    With a row go the values that describe its person. A pseudonym can name a person other than the row's, so it counts
    only where a subject names it.
    """
    named = {name for subject in table.subjects for name in _named(subject)}
    rows_go = any(subject.erasure == "row" for subject in table.subjects)
    for column in table.columns:
        if column.classification in ("", NOT_PERSONAL) or column.name in named:
            continue
        if column.classification == PSEUDONYM or not rows_go:
            yield f"{table.full_name}.{column.name} is {column.classification} and no subject covers it"


def _named(subject: SubjectColumn) -> tuple[str, ...]:
    return (subject.column, *subject.covers)
