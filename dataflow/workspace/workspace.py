"""What a run has computed and not yet committed, laid over the lake as it was when the run began.

Stages never write the lake. Each reads `schema.table` here, which is the table at the base snapshot with this run's
own changes applied, and stages its result. One committer then writes all of it in one lake transaction, so a run that
dies anywhere leaves the lake as it was, and a conflicting commit costs the commit again and not the computation.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

import duckdb

from dataflow.errors import GrainError
from dataflow.workspace.pushdown import NO_ROW, if_few
from dataflow.workspace.staging import Run, Staged, delta_names, keys_agree, write_sql
from lakehouse import LakeView
from lakehouse.query import fetch_int
from lakehouse.table import Table, column_list, literal, quote

T = TypeVar("T")

_FRESH = "fresh_rows"
"""Temporary table of rows staged for a table that was staged before."""

# DuckDB keeps several cores busy by itself; a second lane is for the time that a job spends in Python.
_LANES = 2


class Workspace:
    """Tables of one run: the base snapshot and what was staged since.

    `validated` has, by source and object, the snapshot up to which the run has validated raw: the positions that the
    commit writes. An object that is left out of it keeps its position.

    Steps work on `con` one after the other, so `rows` and `scope` may name their temporary tables. Jobs that do not
    depend on one another go `side_by_side`; a table that they share is not temporary, and lives in `work` like a step.
    """

    def __init__(self, lake: LakeView, run: Run, *, tables: Mapping[str, Table]) -> None:
        """Remember what to lay out; entering attaches the scratch database and a view over each of `tables`."""
        self.lake = lake
        self.run = run
        self.tables = tables
        self.base = lake.snapshot()
        self._filled = lake.filled_tables(self.base.id)
        self.staged: dict[str, Table] = {}
        self.validated: dict[tuple[str, str], int] = {}
        self.con: duckdb.DuckDBPyConnection

    def __enter__(self) -> Self:
        self.con = self.lake.cursor()
        # In memory: ten times as fast to fill as a file (measured 2026-11-23, 1M rows), spilled to the lake's temporary
        # folder at the memory limit, and nothing to clean up after a kill.
        self.con.execute("ATTACH ':memory:' AS work")
        self.con.execute("USE work")
        for schema in sorted({"delta", "gone", "scratch", *(table.schema for table in self.tables.values())}):
            self.con.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
        for table in self.tables.values():
            self.con.execute(f"CREATE VIEW {table.sql_name} AS SELECT * FROM {self.before(table)}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.con.execute("USE memory")
        self.con.execute("DETACH work")
        self.con.close()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Open a further connection; temporary tables are seen only by the connection that made them."""
        cursor = self.lake.cursor()
        cursor.execute("USE work")
        return cursor

    def side_by_side(self, jobs: Sequence[Callable[[Workspace], T]]) -> list[T]:
        """Do independent jobs two at a time; returns their results in order.

        Each gets this workspace with a connection, and so temporary tables, of its own. No two may stage one table.
        Raises: the first job's error, when all that had begun have ended.
        """
        with ThreadPoolExecutor(_LANES, thread_name_prefix="lane") as lanes:
            started = [lanes.submit(self._do, job) for job in jobs]
            try:
                return [job.result() for job in started]
            finally:
                lanes.shutdown(cancel_futures=True)

    def _do(self, job: Callable[[Workspace], T]) -> T:
        lane = copy.copy(self)
        lane.con = self.cursor()
        try:
            return job(lane)
        finally:
            lane.con.close()

    def before(self, table: Table) -> str:
        """The table as the run found it, for a FROM clause; its columns stand as declared.

        In the lake a column that was declared later stands last.
        """
        if table.full_name not in self._filled:
            # Binding a lake table was measured at 10 ms and its view at 40 ms; most are empty on a first run.
            columns = ", ".join(f"NULL::{column.type} AS {quote(column.name)}" for column in table.columns)
            return f"(SELECT {columns} WHERE false)"
        columns = column_list(table.column_names)
        return f"(SELECT {columns} FROM {table.in_lake} AT (VERSION => {self.base.id}))"

    def stage(self, table: Table, rows: str, *, scope: str | None = None) -> Staged:
        """Take `rows` as what the table now says about `scope`; keep only what differs from before.

        Shape: `rows` is a SELECT of the table's columns (`_run_id` is filled in when absent); `scope` is a SELECT of
        some of its columns: every row of the table that agrees with one of them was recomputed, and is deleted when
        `rows` no longer has it. Without a scope the whole table was recomputed. Staging a scope again replaces it.
        Raises: GrainError when two rows share a key.
        """
        names = delta_names(table)
        is_first = table.full_name not in self.staged
        # The first time the rows become the delta themselves: every copy of a wide table was measured to cost.
        fresh = names.delta if is_first else _FRESH
        self._collect(table, rows, into=fresh)
        total = self._check_grain(table, fresh)
        scope_columns = self._lay_out_scope(table, scope, fresh)
        in_scope = self._scope_condition(table, scope_columns, fresh)
        if is_first:
            self._begin(table)
        else:
            self.con.execute(f"DELETE FROM {names.delta} t WHERE {in_scope}")
            self.con.execute(f"DELETE FROM {names.gone} t WHERE {in_scope}")
        if table.full_name in self._filled:
            self._compare(table, fresh, scope_columns, has_rows=total > 0)
        inserted, updated, deleted = self._count(table, fresh, in_scope)
        if not is_first:
            self.con.execute(f"INSERT INTO {names.delta} BY NAME SELECT * FROM {fresh}")
            self.con.execute(f"DROP TABLE {fresh}")
        self._overlay(table)
        return Staged(inserted, updated, deleted, total - inserted - updated)

    def _compare(self, table: Table, fresh: str, scope_columns: Sequence[str], *, has_rows: bool) -> None:
        """Leave in `fresh` what is new or differs from the table as it was, and note the rows that are gone.

        Rows with a key of `fresh` are not gone, so that the scope alone says which are.
        """
        before, keys = self.before(table), column_list(table.key)
        # Keys alone are read to find which rows to read whole: of many new rows none. And by semi-joins that say so:
        # from EXISTS the few keys are not handed down to the scan (eight times the work for one row, November 2026).
        known = f"SELECT {keys} FROM {before} SEMI JOIN {fresh} USING ({keys})"
        some_known = has_rows and fetch_int(self.con, f"CREATE OR REPLACE TEMP TABLE known_key AS {known}") > 0
        if some_known:
            self._drop_unchanged(table, fresh)
        self._note_gone(table, scope_columns, unless=f"ANTI JOIN known_key USING ({keys})" if some_known else "")
        for laid_out in ("known_key", "gone_key"):
            self.con.execute(f"DROP TABLE IF EXISTS {laid_out}")

    def _drop_unchanged(self, table: Table, fresh: str) -> None:
        """Drop from `fresh` the rows that stand in the table as they are; the others of `known_key` are updates."""
        differs = " OR ".join(f"n.{quote(c)} IS DISTINCT FROM o.{quote(c)}" for c in table.compared) or "false"
        read = column_list(dict.fromkeys((*table.key, *table.compared)))
        self.con.execute(f"""
            CREATE OR REPLACE TEMP TABLE known_rows AS
            SELECT {column_list(table.key, prefix="o")}, {differs} AS differs
            FROM {fresh} n JOIN (
                SELECT {read} FROM {self.before(table)} SEMI JOIN known_key USING ({column_list(table.key)})
                WHERE {self._if_few(table, "known_key")}
            ) o ON {keys_agree(table, "n", "o")}
        """)
        known = keys_agree(table, "k", "n")
        self.con.execute(f"DELETE FROM {fresh} n USING known_rows k WHERE {known} AND NOT k.differs")
        self.con.execute(f"UPDATE {fresh} n SET change = 'update' FROM known_rows k WHERE {known}")
        self.con.execute("DROP TABLE known_rows")

    def _note_gone(self, table: Table, scope_columns: Sequence[str], *, unless: str) -> None:
        """Note the rows of the table that are in the scope, and do not come again; `unless` joins out those that do."""
        before, keys, in_scope = self.before(table), column_list(table.key), ""
        if scope_columns:
            scope = table.column(scope_columns[0])
            few = if_few(self.con, "scope_keys", scope.name, kind=scope.type)
            if few == NO_ROW:
                return
            in_scope = f"SEMI JOIN scope_keys USING ({column_list(scope_columns)}) WHERE {few}"
        gone = f"SELECT {keys} FROM (FROM {before} {in_scope}) {unless}"
        if fetch_int(self.con, f"CREATE OR REPLACE TEMP TABLE gone_key AS {gone}") > 0:
            self.con.execute(f"""
                INSERT INTO {delta_names(table).gone}
                SELECT {column_list(table.column_names)} FROM {before} SEMI JOIN gone_key USING ({keys})
                WHERE {self._if_few(table, "gone_key")}
            """)

    def _if_few(self, table: Table, keys: str) -> str:
        first = table.column(table.key[0])
        return if_few(self.con, keys, first.name, kind=first.type)

    def append(self, table: Table, rows: str) -> int:
        """Add rows to an append-only table; returns how many."""
        names = delta_names(table)
        is_first = table.full_name not in self.staged
        fresh = names.delta if is_first else _FRESH
        self._collect(table, rows, into=fresh)
        count = fetch_int(self.con, f"SELECT count(*) FROM {fresh}")
        if is_first:
            self._begin(table)
        else:
            self.con.execute(f"INSERT INTO {names.delta} BY NAME SELECT * FROM {fresh}")
            self.con.execute(f"DROP TABLE {fresh}")
        self._overlay(table)
        return count

    def changed(self, table: Table) -> str:
        """SELECT of the key columns and `change` (insert, update, delete) of every row this run changed."""
        keys = column_list(table.key)
        if table.full_name not in self.staged:
            return f"SELECT {keys}, 'insert' AS change FROM {self.before(table)} WHERE false"
        names = delta_names(table)
        return f"SELECT {keys}, change FROM {names.delta} UNION ALL SELECT {keys}, 'delete' AS change FROM {names.gone}"

    def changes(self, table: Table) -> Staged:
        """Count what this run changed in a table."""
        if table.full_name not in self.staged:
            return Staged()
        return Staged(*self._count(table, delta_names(table).delta, "true"))

    def write(self, con: duckdb.DuckDBPyConnection) -> dict[str, Staged]:
        """Write everything staged into the lake, inside the caller's transaction on `con`."""
        written = {}
        for name, table in self.staged.items():
            written[name] = self.changes(table)
            for statement in write_sql(table, written[name]):
                con.execute(statement)
        return written

    def _collect(self, table: Table, rows: str, *, into: str) -> None:
        """Make the table `into`: the rows in the declared columns and types, every one an insert so far."""
        self.con.execute(f"CREATE OR REPLACE {'TEMP ' if into == _FRESH else ''}TABLE {into} AS {rows}")
        have = dict(self.con.execute(f"SELECT column_name, column_type FROM (DESCRIBE {into})").fetchall())
        if "_run_id" in table.column_names and "_run_id" not in have:
            self.con.execute(f"ALTER TABLE {into} ADD COLUMN _run_id VARCHAR DEFAULT {literal(self.run.run_id)}")
            have["_run_id"] = "VARCHAR"
        missing = set(table.column_names) - set(have)
        surplus = set(have) - set(table.column_names)
        if missing or surplus:
            raise GrainError(
                f"Rows staged for {table.full_name} do not have its columns: "
                f"missing {sorted(missing)}, unknown {sorted(surplus)}."
            )
        for column, kind in self._types(table).items():
            if have[column] != kind:
                self.con.execute(f"ALTER TABLE {into} ALTER COLUMN {quote(column)} TYPE {kind}")
        self.con.execute(f"ALTER TABLE {into} ADD COLUMN change VARCHAR DEFAULT 'insert'")

    def _types(self, table: Table) -> dict[str, str]:
        """The declared types as DuckDB spells them."""
        columns = ", ".join(f"NULL::{column.type} AS {quote(column.name)}" for column in table.columns)
        return dict(self.con.execute(f"SELECT column_name, column_type FROM (DESCRIBE SELECT {columns})").fetchall())

    def _check_grain(self, table: Table, fresh: str) -> int:
        """Count the new rows; raise GrainError unless each has a key of its own."""
        keys = column_list(table.key)
        anywhere_null = " OR ".join(f"{quote(key)} IS NULL" for key in table.key)
        total, distinct, nulls = self.con.execute(f"""
            SELECT coalesce(sum(n), 0), count(*), coalesce(sum(n) FILTER (WHERE {anywhere_null}), 0)
            FROM (SELECT {keys}, count(*) AS n FROM {fresh} GROUP BY {keys})
        """).fetchall()[0]
        if total != distinct or nulls:
            raise GrainError(
                f"{table.full_name} has one row per {table.grain}, but {total - distinct} staged rows repeat a key "
                f"({', '.join(table.key)}) and {nulls} have none.",
                next_move="Nothing was published; this is a defect of the step that staged them.",
            )
        return int(total)

    def _lay_out_scope(self, table: Table, scope: str | None, fresh: str) -> tuple[str, ...]:
        """Make `scope_keys`, and say by which columns it tells a row; none where the whole table was recomputed."""
        if scope is None:
            return ()
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE scope_keys AS SELECT DISTINCT * FROM ({scope})")
        described = self.con.execute("SELECT column_name FROM (DESCRIBE scope_keys)").fetchall()
        columns = tuple(table.column(str(row[0])).name for row in described)
        if set(columns) == set(table.key):
            self.con.execute(f"INSERT INTO scope_keys BY NAME SELECT {column_list(table.key)} FROM {fresh}")
        return columns

    def _scope_condition(self, table: Table, columns: Sequence[str], fresh: str) -> str:
        """SQL condition on a row `t`: it was recomputed. A row that moved into the scope counts by its key as well.

        Holds until unchanged rows leave `fresh`; those are told by their keys, which the scope's keys then hold.
        """
        if not columns:
            return "true"
        on = " AND ".join(f"s.{quote(c)} = t.{quote(c)}" for c in columns)
        in_scope = f"EXISTS (SELECT 1 FROM scope_keys s WHERE {on})"
        if set(columns) == set(table.key):
            return in_scope
        return f"({in_scope} OR EXISTS (SELECT 1 FROM {fresh} n WHERE {keys_agree(table, 'n', 't')}))"

    def _begin(self, table: Table) -> None:
        columns = ", ".join(f"{quote(c.name)} {c.type}" for c in table.columns)
        self.con.execute(f"CREATE OR REPLACE TABLE {delta_names(table).gone} ({columns})")
        self.staged[table.full_name] = table

    def _count(self, table: Table, fresh: str, in_scope: str) -> tuple[int, int, int]:
        inserted, updated = self.con.execute(
            f"SELECT count(*) FILTER (WHERE change = 'insert'), count(*) FILTER (WHERE change = 'update') FROM {fresh}"
        ).fetchall()[0]
        deleted = fetch_int(self.con, f"SELECT count(*) FROM {delta_names(table).gone} t WHERE {in_scope}")
        return inserted, updated, deleted

    def _overlay(self, table: Table) -> None:
        names = delta_names(table)
        columns = column_list(table.column_names)
        keys = column_list(table.key)
        # One anti-join, and against nothing where rows only came: it is paid by every row of the table.
        replaced = f"SELECT {keys} FROM {names.delta} WHERE change = 'update' UNION ALL SELECT {keys} FROM {names.gone}"
        unchanged = "" if table.append_only else f" ANTI JOIN ({replaced}) USING ({keys})"
        self.con.execute(f"""
            CREATE OR REPLACE VIEW {table.sql_name} AS
            SELECT {columns} FROM {self.before(table)}{unchanged}
            UNION ALL SELECT {columns} FROM {names.delta}
        """)
