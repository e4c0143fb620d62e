"""The DDL that brings a lake to the declared tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb
from duckdb import DuckDBPyConnection

from lakehouse.errors import LakeIncompatible
from lakehouse.table import Table, column_list, create_table_sql, literal, quote, spelled_out


def missing_ddl(con: DuckDBPyConnection, tables: Iterable[Table], *, database: str) -> list[str]:
    """Return the statements that bring the lake to the declarations, in order; empty when nothing is missing.

    A column added to an existing table is nullable, since earlier rows have no value. A changed type is altered in
    place; DuckLake widens types and refuses other changes. Tables that are `made_anew` keep the former type.
    """
    present = _columns(con, database)
    schemas = _schemas(con, database)
    statements: list[str] = []
    for table in tables:
        if table.schema not in schemas:
            schemas.add(table.schema)
            statements.append(f"CREATE SCHEMA IF NOT EXISTS {quote(database)}.{quote(table.schema)}")
        existing = present.get((table.schema, table.name))
        if existing is None:
            statements.extend(_create(table, database))
        else:
            statements.extend(_alter(table, existing, database))
    return statements


def retyped_columns(
    con: DuckDBPyConnection, tables: Iterable[Table], *, database: str
) -> dict[str, dict[str, tuple[str, str]]]:
    """Return the columns of `made_anew` tables whose type is not the declared one: by table, the present and new type.

    Shape: table (`schema.table`) to column to (present type, declared type), in DuckDB's spelling.
    """
    present = _columns(con, database)
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for table in tables:
        existing = present.get((table.schema, table.name)) if table.made_anew else None
        for name, kinds in _retyped(table, existing or {}):
            found.setdefault(table.full_name, {})[name] = kinds
    return found


def replace_table(con: DuckDBPyConnection, table: Table, rows: str, *, database: str) -> None:
    """Create a table anew with the rows of a SELECT, inside the caller's transaction."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE anew AS SELECT {column_list(table.column_names)} FROM ({rows})")
    con.execute(f"DROP TABLE {quote(database)}.{table.sql_name}")
    for statement in _create(table, database):
        con.execute(statement)
    con.execute(f"INSERT INTO {quote(database)}.{table.sql_name} BY NAME FROM anew")
    con.execute("DROP TABLE anew")


def bring_to_declarations(con: DuckDBPyConnection, tables: Iterable[Table], *, database: str) -> list[str]:
    """Create and alter what is missing inside the caller's transaction; return the executed statements.

    Raises: LakeIncompatible when a declared type is not wider than the existing one.
    """
    statements = missing_ddl(con, tables, database=database)
    for statement in statements:
        try:
            con.execute(statement)
        except duckdb.CatalogException as error:
            raise LakeIncompatible(
                f"Bringing the lake's tables to their declarations with: {statement}: {error}; "
                "declare the existing type, or a wider one"
            ) from error
    return statements


def _create(table: Table, database: str) -> Iterable[str]:
    yield create_table_sql(table, database=database)
    if table.partition_by:
        yield f"ALTER TABLE {quote(database)}.{table.sql_name} SET PARTITIONED BY ({column_list(table.partition_by)})"
    if table.is_sorted:
        yield f"ALTER TABLE {quote(database)}.{table.sql_name} SET SORTED BY ({column_list(table.key)})"


def _alter(table: Table, existing: dict[str, str], database: str) -> Iterable[str]:
    where = f"ALTER TABLE {quote(database)}.{table.sql_name}"
    for column in table.columns:
        if column.name not in existing:
            yield f"{where} ADD COLUMN {quote(column.name)} {column.type}"
    for name, (_, kind) in () if table.made_anew else _retyped(table, existing):
        yield f"{where} ALTER COLUMN {quote(name)} SET DATA TYPE {kind}"


def _retyped(table: Table, existing: Mapping[str, str]) -> Iterable[tuple[str, tuple[str, str]]]:
    """Yield the columns of another type than declared, each with its present and its declared type."""
    for column in table.columns:
        kind = existing.get(column.name)
        if kind is not None and kind != column.type and kind != spelled_out(column.type):
            yield column.name, (kind, column.type)


def _schemas(con: DuckDBPyConnection, database: str) -> set[str]:
    rows = con.execute(f"SELECT schema_name FROM duckdb_schemas() WHERE database_name = {literal(database)}").fetchall()
    return {str(name) for (name,) in rows}


def _columns(con: DuckDBPyConnection, database: str) -> dict[tuple[str, str], dict[str, str]]:
    rows = con.execute(
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns()"
        f" WHERE database_name = {literal(database)}"
    ).fetchall()
    found: dict[tuple[str, str], dict[str, str]] = {}
    for schema, name, column, kind in rows:
        found.setdefault((schema, name), {})[column] = kind
    return found
