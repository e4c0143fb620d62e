"""Write the draft of one role's mart from the lake: masked, filtered, by increments.

| relation | columns | filled by | dropped |
|---|---|---|---|
| `warehouse` (attached database) | the role's tables and views, `_mart` | write_mart | write_mart |
| `touched_N` (temporary) | the key columns of one table | collect_touched | with the connection |
| `memory.published` (schema) | views: tables as the role sees them | _seen_tables | _seen_tables |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, fields
from functools import cache
from pathlib import Path

import duckdb

from dataflow.access.marts import MartFacts
from dataflow.access.roles import Role, RoleTable
from dataflow.errors import SinkError
from dataflow.sinks.draft import DRAFT
from dataflow.sinks.seen import SOURCE, key_in_variables, rows_sql, seen_sql, treated_sql
from dataflow.sinks.views import VIEWS
from dataflow.tables.columns import NOT_PERSONAL
from dataflow.workspace.relations import sql_of
from lakehouse.query import fetch_int
from lakehouse.table import Table, column_list, literal, quote


@dataclass(frozen=True)
class Touched:
    """The changes of one table: `keys` names the relation with the keys of changed rows."""

    keys: str
    count: int


Changes = Mapping[Table, Touched | None]
"""The changes of each table since the mart's publication; None: write the table whole."""


def collect_changes(con: duckdb.DuckDBPyConnection, feeds: Mapping[Table, str | None]) -> Changes:
    """Collect the keys that change feeds name, once for all roles."""
    found: dict[Table, Touched | None] = {}
    for number, (table, feed) in enumerate(feeds.items()):
        found[table] = None
        if feed is not None:
            keys = f"touched_{number}"
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE {keys} AS SELECT DISTINCT {column_list(table.key)} FROM ({feed})"
            )
            found[table] = Touched(keys, fetch_int(con, f"SELECT count(*) FROM {keys}"))
    return found


def write_mart(
    con: duckdb.DuckDBPyConnection, role: Role, changes: Changes, *, draft: Path, facts: MartFacts, key: bytes
) -> int:
    """Write the mart in one transaction; return the number of rows written. Raises: SinkError, duckdb.Error."""
    with key_in_variables(con, key), _seen_tables(con, role):
        # The format of this DuckDB chooses its compression in a fifth of the time of the default one, DuckDB 1.0's.
        con.execute(f"ATTACH {literal(str(draft))} AS {DRAFT} (STORAGE_VERSION 'latest')")
        con.execute("BEGIN")
        if role.sql:
            written = sum(_write_table(con, seen, changes[seen.table]) for seen in role.tables.values())
            _write_views(con)
            _compare(con, role)
        else:
            written = _write_answers(con, role)
        _write_facts(con, facts)
        con.execute("COMMIT")
        con.execute(f"DETACH {DRAFT}")
    return written


def _write_table(con: duckdb.DuckDBPyConnection, seen: RoleTable, touched: Touched | None) -> int:
    table, target = seen.table, f"{DRAFT}.{seen.table.sql_name}"
    if touched is not None and not touched.count:
        return 0
    if touched is None or not seen.has_key:
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {DRAFT}.{quote(table.schema)}")
        con.execute(f"CREATE OR REPLACE TABLE {target} AS {seen_sql(seen)}")
        return fetch_int(con, f"SELECT count(*) FROM {target}")
    masked = ", ".join(f"{treated_sql(seen, name, source='k')} AS {quote(name)}" for name in table.key)
    # A null in a key is equal to itself; the plain comparison is faster.
    equal = {column.name: "IS NOT DISTINCT FROM" if column.nullable else "=" for column in table.columns}
    on = " AND ".join(f"{SOURCE}.{quote(name)} {equal[name]} k.{quote(name)}" for name in table.key)
    con.execute(f"DELETE FROM {target} {SOURCE} USING (SELECT {masked} FROM {touched.keys} k) k WHERE {on}")
    names = column_list(name for name in table.column_names if name in seen.treatments)
    con.execute(
        f"INSERT INTO {target} ({names}) {seen_sql(seen)} WHERE EXISTS (SELECT 1 FROM {touched.keys} k WHERE {on})"
    )
    return touched.count


@cache
def _view_sql(name: str) -> str:
    return sql_of(VIEWS[name].rows())


def _write_views(con: duckdb.DuckDBPyConnection) -> None:
    """Write the views for which the role has the tables and columns."""
    con.execute(f"USE {DRAFT}")
    for view in VIEWS.values():
        name = f"published.{quote(view.name)}"
        with suppress(duckdb.BinderException, duckdb.CatalogException):
            con.execute(f"CREATE OR REPLACE VIEW {name} AS {_view_sql(view.name)}")
            con.execute(f"COMMENT ON VIEW {name} IS {literal(view.description)}")
    con.execute("USE memory")


def _write_answers(con: duckdb.DuckDBPyConnection, role: Role) -> int:
    """Write the answers of the views of groups, without small groups, and the tables that are not about persons.

    A role without SQL gets no row of a customer, not even masked.
    """
    con.execute(f"CREATE SCHEMA {DRAFT}.published")
    answers = {
        seen.table.name: seen_sql(seen)
        for seen in _published(role)
        if all(column.classification == NOT_PERSONAL for column in seen.table.columns)
    }
    for view in VIEWS.values():
        if view.is_of_groups:
            large = f" WHERE {quote(view.customers)} >= {role.smallest_group}" if view.customers else ""
            answers[view.name] = f"SELECT * FROM ({_view_sql(view.name)}){large}"
    written = 0
    for name, sql in answers.items():
        with suppress(duckdb.BinderException, duckdb.CatalogException):
            con.execute(f"CREATE TABLE {DRAFT}.published.{quote(name)} AS {sql}")
            written += fetch_int(con, f"SELECT count(*) FROM {DRAFT}.published.{quote(name)}")
    return written


@contextmanager
def _seen_tables(con: duckdb.DuckDBPyConnection, role: Role) -> Iterator[None]:
    """Give the views of a role without SQL the tables as the role sees them, for the block.

    Outside of the mart's transaction: one transaction writes to one database.
    """
    if role.sql:
        yield
        return
    con.execute("CREATE SCHEMA memory.published")
    try:
        for seen in _published(role):
            con.execute(f"CREATE VIEW memory.{seen.table.sql_name} AS {seen_sql(seen)}")
        yield
    finally:
        with suppress(duckdb.Error):
            con.execute("DROP SCHEMA memory.published CASCADE")


def _published(role: Role) -> list[RoleTable]:
    return [seen for seen in role.tables.values() if seen.table.schema == "published"]


def _write_facts(con: duckdb.DuckDBPyConnection, facts: MartFacts) -> None:
    names = [field.name for field in fields(facts)]
    values = [literal(value) if isinstance(value, str) else str(value) for value in astuple(facts)]
    chosen = ", ".join(f"{value} AS {quote(name)}" for name, value in zip(names, values, strict=True))
    con.execute(f"CREATE OR REPLACE TABLE {DRAFT}.main._mart AS SELECT {chosen}")


def _compare(con: duckdb.DuckDBPyConnection, role: Role) -> None:
    """Raise SinkError unless every table has as many rows as the role sees in the lake."""
    differing = []
    for name, seen in role.tables.items():
        lake = fetch_int(con, f"SELECT count(*) FROM {rows_sql(seen)}")
        here = fetch_int(con, f"SELECT count(*) FROM {DRAFT}.{seen.table.sql_name}")
        if lake != here:
            differing.append(f"{name}: {lake} in the lake, {here} here")
    if differing:
        raise SinkError(
            f"The mart of the role {role.name} differs from the lake: {'; '.join(differing)}.",
            next_move="The mart is unchanged. Delete its file and run again to write it whole.",
        )
