"""Restore tables to an earlier snapshot as a new commit; the snapshots in between stay.

The plan is made before the transaction: inside one, `AT (VERSION => …)` sees the transaction's own deletes, so deleting
a table's rows and inserting its past gives an empty table. CREATE OR REPLACE … AS has no such problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from lakehouse.errors import TableNotFound
from lakehouse.snapshot import Snapshot
from lakehouse.table import DATABASE, qualified, quote


@dataclass(frozen=True)
class Plan:
    """The statements of one restore, and the tables they restore."""

    tables: tuple[str, ...]
    statements: tuple[str, ...]

    def apply(self, con: DuckDBPyConnection) -> None:
        for statement in self.statements:
            con.execute(statement)


def table_names(con: DuckDBPyConnection, metadata: str, *, version: int | None = None) -> list[str]:
    """Return the full names of the tables at a snapshot, by default the newest, in order."""
    return sorted(f"{schema}.{name}" for schema, name in _tables(con, metadata, version))


def filled_table_names(con: DuckDBPyConnection, metadata: str, *, version: int) -> set[str]:
    """Return the full names of tables with a data file at a snapshot; all others were empty, since inlining is off."""
    rows = con.execute(
        f"SELECT DISTINCT s.schema_name, t.table_name FROM {metadata}.ducklake_data_file f"
        f" JOIN {metadata}.ducklake_table t ON t.table_id = f.table_id AND {_valid('t', version)}"
        f" JOIN {metadata}.ducklake_schema s ON s.schema_id = t.schema_id WHERE {_valid('f', version)}"
    ).fetchall()
    return {f"{schema}.{name}" for schema, name in rows}


def plan(con: DuckDBPyConnection, metadata: str, *, to: int, chosen: Callable[[str], bool]) -> Plan:
    """Plan to restore the chosen tables (by full name) to snapshot `to`; tables created later are dropped.

    A table with the same identity and files as then is left unchanged.
    """
    then = {key: value for key, value in _tables(con, metadata, to).items() if chosen(".".join(key))}
    now = {key: value for key, value in _tables(con, metadata, None).items() if chosen(".".join(key))}
    changed = {table_id for table_id in then.values() if _has_changed(con, metadata, table_id, since=to)}
    statements = [f"DROP TABLE {qualified(*key)}" for key in sorted(now.keys() - then.keys())]
    statements += _missing_schemas(con, metadata, then.keys())
    for key, table_id in sorted(then.items()):
        if now.get(key) != table_id or table_id in changed:
            statements += _bring_back(con, metadata, key, table_id, version=to)
    return Plan(tables=tuple(".".join(key) for key in sorted(then)), statements=tuple(statements))


def require(plan: Plan, name: str, target: Snapshot) -> None:
    """Raise TableNotFound unless the plan restores this table."""
    if name not in plan.tables:
        raise TableNotFound(
            f"Restoring {name} to snapshot {target.id}: there was no such table then; "
            "choose a snapshot in which it existed"
        )


def _tables(con: DuckDBPyConnection, metadata: str, version: int | None) -> dict[tuple[str, str], int]:
    rows = con.execute(
        f"SELECT s.schema_name, t.table_name, t.table_id FROM {metadata}.ducklake_table t"
        f" JOIN {metadata}.ducklake_schema s ON s.schema_id = t.schema_id WHERE {_valid('t', version)}"
    ).fetchall()
    return {(str(schema), str(name)): int(table_id) for schema, name, table_id in rows}


def _valid(alias: str, version: int | None) -> str:
    """Return the condition that a row of a DuckLake table is valid at a snapshot."""
    if version is None:
        return f"{alias}.end_snapshot IS NULL"
    v = int(version)
    return f"{alias}.begin_snapshot <= {v} AND ({alias}.end_snapshot IS NULL OR {alias}.end_snapshot > {v})"


def _has_changed(con: DuckDBPyConnection, metadata: str, table_id: int, *, since: int) -> bool:
    later = f"table_id = {table_id} AND (begin_snapshot > {since} OR coalesce(end_snapshot, 0) > {since})"
    # A merged file begins with its oldest row; `partial_max` is the snapshot of its newest row.
    merged = f"({later} OR table_id = {table_id} AND partial_max > {since})"
    row = con.execute(
        f"SELECT (SELECT count(*) FROM {metadata}.ducklake_data_file WHERE {merged})"
        f" + (SELECT count(*) FROM {metadata}.ducklake_delete_file WHERE {merged})"
        f" + (SELECT count(*) FROM {metadata}.ducklake_column WHERE {later})"
    ).fetchone()
    return bool(row and row[0])


def _missing_schemas(con: DuckDBPyConnection, metadata: str, tables: Iterable[tuple[str, str]]) -> list[str]:
    rows = con.execute(f"SELECT schema_name FROM {metadata}.ducklake_schema WHERE end_snapshot IS NULL").fetchall()
    present = {str(name) for (name,) in rows}
    return [f"CREATE SCHEMA {DATABASE}.{quote(name)}" for name in sorted({schema for schema, _ in tables} - present)]


def _bring_back(
    con: DuckDBPyConnection, metadata: str, key: tuple[str, str], table_id: int, *, version: int
) -> list[str]:
    """Return the statements that set NOT NULL, partitioning and order again, which CREATE OR REPLACE … AS drops."""
    name = qualified(*key)
    past = f"{name} AT (VERSION => {version})"
    columns = con.execute(f"DESCRIBE FROM {past}").fetchall()
    if con.execute(f"FROM {past} LIMIT 1").fetchone() is None:
        # DuckLake sets NOT NULL only where statistics prove it, and an empty table has none.
        listed = ", ".join(f"{quote(c[0])} {c[1]}{'' if c[2] == 'YES' else ' NOT NULL'}" for c in columns)
        statements = [f"CREATE OR REPLACE TABLE {name} ({listed})"]
    else:
        required = [c[0] for c in columns if c[2] != "YES"]
        statements = [f"CREATE OR REPLACE TABLE {name} AS FROM {past}"]
        statements += [f"ALTER TABLE {name} ALTER COLUMN {quote(column)} SET NOT NULL" for column in required]
    if terms := _partition_terms(con, metadata, table_id, version):
        statements.append(f"ALTER TABLE {name} SET PARTITIONED BY ({', '.join(terms)})")
    if terms := _order_terms(con, metadata, table_id, version):
        statements.append(f"ALTER TABLE {name} SET SORTED BY ({', '.join(terms)})")
    return statements


def _partition_terms(con: DuckDBPyConnection, metadata: str, table_id: int, version: int) -> list[str]:
    keys = con.execute(
        f"SELECT c.column_name, p.transform FROM {metadata}.ducklake_partition_info i"
        f" JOIN {metadata}.ducklake_partition_column p ON p.partition_id = i.partition_id"
        f" JOIN {metadata}.ducklake_column c ON c.column_id = p.column_id AND c.table_id = {table_id}"
        f" WHERE i.table_id = {table_id} AND {_valid('i', version)} AND {_valid('c', version)}"
        " ORDER BY p.partition_key_index"
    ).fetchall()
    return [
        quote(str(column)) if transform == "identity" else f"{transform}({quote(str(column))})"
        for column, transform in keys
    ]


def _order_terms(con: DuckDBPyConnection, metadata: str, table_id: int, version: int) -> list[str]:
    terms = con.execute(
        f"SELECT e.expression, e.sort_direction, e.null_order FROM {metadata}.ducklake_sort_info i"
        f" JOIN {metadata}.ducklake_sort_expression e ON e.sort_id = i.sort_id AND e.table_id = i.table_id"
        f" WHERE i.table_id = {table_id} AND {_valid('i', version)} ORDER BY e.sort_key_index"
    ).fetchall()
    return [" ".join((expression, direction, nulls.replace("_", " "))) for expression, direction, nulls in terms]
