"""Tables: name, grain, key and columns, declared once; DDL and quoting are derived."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Literal

from duckdb.sqltypes import DuckDBPyType

DATABASE = "lake"
"""The name under which a lake is attached to every connection."""


def quote(identifier: str) -> str:
    """Quote one SQL identifier, whatever characters it holds."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Quote one SQL string literal; only for places where DuckDB takes no bound parameter."""
    return "'" + value.replace("'", "''") + "'"


def file_literal(path: Path) -> str:
    """Quote the path of one file for DuckDB's readers, which take brackets, stars and question marks for patterns."""
    return literal(glob.escape(str(path)))


def timestamp_literal(at: datetime) -> str:
    """The SQL literal of an aware timestamp: `TIMESTAMPTZ '2026-11-29T00:00:00+00:00'`."""
    return f"TIMESTAMPTZ {literal(at.isoformat())}"


def qualified(schema: str, name: str) -> str:
    """The table in the attached lake: `lake."schema"."table"`."""
    return f"{DATABASE}.{quote(schema)}.{quote(name)}"


@dataclass(frozen=True)
class Column:
    """One column. `classification` is the class of personal data it holds; empty: not declared.

    A `volatile` column has the time or run that wrote a row; it does not count as a change of the row. `values` are
    the allowed values; empty: any of its type.
    """

    name: str
    type: str
    description: str
    classification: str = ""
    nullable: bool = True
    volatile: bool = False
    values: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SubjectColumn:
    """A column that names a person, and what the erasure of that person does.

    `names` says by what it names the person. `shape`: one value, the elements of a list, or the values of a map.
    `erasure` removes the row, the value (in a column that must have one, a tombstone takes its place) or the element;
    with it go the columns that it `covers`, which name the same person or describe that person alone.
    """

    column: str
    names: str
    shape: Literal["value", "list", "map"] = "value"
    erasure: Literal["row", "value", "element"] = "row"
    covers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table of the lake.

    `grain` completes the sentence "one row per …"; `key` identifies a row; `subjects` are the columns that name a
    person (empty: no personal data). `append_only` tables are never updated by a run. An
    `is_sorted` table is written in the order of its key, so that a query for some keys reads few row groups. A table
    that `survives_restore` records what was received, decided or done: a restore of the lake leaves it unchanged. A
    table that is `made_anew` is not altered where the type of a column changes: the run that computes it replaces it.
    """

    schema: str
    name: str
    grain: str
    key: tuple[str, ...]
    owner: str
    columns: tuple[Column, ...]
    subjects: tuple[SubjectColumn, ...] = ()
    append_only: bool = False
    partition_by: tuple[str, ...] = field(default=())
    is_sorted: bool = False
    survives_restore: bool = False
    made_anew: bool = False

    @property
    def full_name(self) -> str:
        """Return `schema.table`."""
        return f"{self.schema}.{self.name}"

    @property
    def sql_name(self) -> str:
        """Return `"schema"."table"`, quoted for SQL, in the default database."""
        return f"{quote(self.schema)}.{quote(self.name)}"

    @property
    def in_lake(self) -> str:
        """Return `lake."schema"."table"`: the table in the lake, also beside a workspace or a warehouse."""
        return qualified(self.schema, self.name)

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def compared(self) -> tuple[str, ...]:
        """Return the columns whose difference is a change of the row."""
        return tuple(c.name for c in self.columns if not c.volatile and c.name not in self.key)

    def column(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.full_name} has no column {name}; it has {', '.join(self.column_names)}")


@cache
def spelled_out(kind: str) -> str:
    """Return a type in the spelling of DuckDB's catalogue: TIMESTAMPTZ → TIMESTAMP WITH TIME ZONE."""
    return str(DuckDBPyType(kind))


def column_list(names: Iterable[str], *, prefix: str = "") -> str:
    """`"a", "b"` or `p."a", p."b"`."""
    lead = f"{prefix}." if prefix else ""
    return ", ".join(lead + quote(name) for name in names)


def create_table_sql(table: Table, *, database: str) -> str:
    """CREATE TABLE IF NOT EXISTS for a table of the lake (DuckLake knows NOT NULL, no PRIMARY KEY)."""
    columns = ", ".join(f"{quote(c.name)} {c.type}{'' if c.nullable else ' NOT NULL'}" for c in table.columns)
    return f"CREATE TABLE IF NOT EXISTS {quote(database)}.{table.sql_name} ({columns})"
