"""Hold what a run has computed and not yet committed, as changes on top of its base snapshot.

Stages never write the lake. Each reads `schema.table` here: the table at the base snapshot with this run's own
changes applied. It stages its result. One committer then writes all of it in one lake transaction, so a run that
crashes at any step leaves the lake unchanged, and a conflicting commit repeats only the commit, not the computation.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

import duckdb

from dataflow.errors import GrainError
from dataflow.workspace.pushdown import NO_ROW, pushdown_condition
from dataflow.workspace.staging import Run, Staged, delta_names, keys_agree, write_sql
from lakehouse import LakeView
from lakehouse.ddl import replace_table
from lakehouse.query import fetch_int
from lakehouse.table import DATABASE, Table, column_list, literal, quote, spelled_out

T = TypeVar("T")

_FRESH = "fresh_rows"
"""Temporary table of rows staged for a table that was staged before."""

# DuckDB uses several cores by itself; the second lane fills the time that a job spends in Python.
_LANES = 2


class Workspace:
    """Tables of one run: the base snapshot and what was staged on it.

    `validated` maps source and object to the snapshot up to which the run has validated raw: the positions that the
    commit writes. An object that is absent keeps its position.

    Steps use `con` one after the other, so `rows` and `scope` can name their temporary tables. Independent jobs run
    `side_by_side`; a table that they share is not temporary: it is in `work`.
    """

    def __init__(self, lake: LakeView, run: Run, *, tables: Mapping[str, Table]) -> None:
        """Keep the arguments; entering attaches the scratch database and creates a view over each of `tables`."""
        self.lake = lake
        self.run = run
        self.tables = tables
        self.base = lake.snapshot()
        self._filled = lake.filled_tables(self.base.id)
        self._retyped = lake.retyped(table for table in tables.values() if table.made_anew)
        self.staged: dict[str, Table] = {}
        self.validated: dict[tuple[str, str], int] = {}
        self.con: duckdb.DuckDBPyConnection

    def __enter__(self) -> Self:
        self.con = self.lake.cursor()
        # In memory: filled ten times as fast as a file (measured 2026-11-23, 1M rows), spilled to the lake's temporary
        # folder at the memory limit, and no clean-up after a kill.
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
        """Open a further connection; temporary tables are visible only to the connection that created them."""
        cursor = self.lake.cursor()
        cursor.execute("USE work")
        return cursor

    def side_by_side(self, jobs: Sequence[Callable[[Workspace], T]]) -> list[T]:
        """Run independent jobs two at a time; return their results in order.

        Each gets this workspace with its own connection and temporary tables. Two jobs must not stage the same table.
        Raises: the first job's error, after all started jobs have ended.
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
        """Return the table at the base snapshot, for a FROM clause, with the columns in the declared order.

        In the lake, a column that was declared later is the last one. Of a table that is to be made anew, values are
        cast to the declared types, null where that fails.
        """
        if table.full_name not in self._filled:
            # Binding a lake table takes 10 ms and its view 40 ms (measured); most are empty on a first run.
            columns = ", ".join(f"NULL::{column.type} AS {quote(column.name)}" for column in table.columns)
            return f"(SELECT {columns} WHERE false)"
        columns = column_list(table.column_names)
        if retyped := self._retyped.get(table.full_name):
            columns = ", ".join(
                f"TRY_CAST({quote(name)} AS {retyped[name][1]}) AS {quote(name)}" if name in retyped else quote(name)
                for name in table.column_names
            )
        return f"(SELECT {columns} FROM {table.in_lake} AT (VERSION => {self.base.id}))"

    def had_rows(self, table: Table) -> bool:
        """Return whether the table has rows at the base snapshot."""
        return table.full_name in self._filled

    def is_outdated(self, table: Table) -> bool:
        """Return whether the table has columns of former types and this run has not made it anew."""
        return table.full_name in self._retyped and table.full_name not in self.staged

    def stage(self, table: Table, rows: str, *, scope: str | None = None) -> Staged:
        """Stage `rows` as the new state of `scope`; keep only what differs from before.

        Shape: `rows` is a SELECT of the table's columns (`_run_id` is filled in when absent); `scope` is a SELECT of
        some of its columns: every row of the table that agrees with one of them was recomputed, and is deleted when
        `rows` no longer has it. Without a scope the whole table was recomputed. Staging a scope again replaces it.
        Raises: GrainError when two rows share a key.
        """
        names = delta_names(table)
        is_first = table.full_name not in self.staged
        # The first time, the rows become the delta without a copy: copies of wide tables cost measurable time.
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
        """Reduce `fresh` to rows that are new or differ from the base snapshot, and record the deleted rows.

        Rows with a key in `fresh` are not deleted; of the others the scope alone decides.
        """
        before, keys = self.before(table), column_list(table.key)
        # Read keys first, to find the rows to read whole: none when all rows are new. Semi-joins, as DuckDB does not
        # push a small number of keys from EXISTS down to the scan (eight times the time for one row, November 2026).
        known = f"SELECT {keys} FROM {before} SEMI JOIN {fresh} USING ({keys})"
        some_known = has_rows and fetch_int(self.con, f"CREATE OR REPLACE TEMP TABLE known_key AS {known}") > 0
        if some_known:
            self._drop_unchanged(table, fresh)
        self._note_gone(table, scope_columns, unless=f"ANTI JOIN known_key USING ({keys})" if some_known else "")
        for laid_out in ("known_key", "gone_key"):
            self.con.execute(f"DROP TABLE IF EXISTS {laid_out}")

    def _drop_unchanged(self, table: Table, fresh: str) -> None:
        """Drop from `fresh` the rows that equal the row in the table; the others of `known_key` become updates."""
        differs = " OR ".join(f"n.{quote(c)} IS DISTINCT FROM o.{quote(c)}" for c in table.compared) or "false"
        read = column_list(dict.fromkeys((*table.key, *table.compared)))
        self.con.execute(f"""
            CREATE OR REPLACE TEMP TABLE known_rows AS
            SELECT {column_list(table.key, prefix="o")}, {differs} AS differs
            FROM {fresh} n JOIN (
                SELECT {read} FROM {self.before(table)} SEMI JOIN known_key USING ({column_list(table.key)})
                WHERE {self._pushdown_condition(table, "known_key")}
            ) o ON {keys_agree(table, "n", "o")}
        """)
        known = keys_agree(table, "k", "n")
        self.con.execute(f"DELETE FROM {fresh} n USING known_rows k WHERE {known} AND NOT k.differs")
        self.con.execute(f"UPDATE {fresh} n SET change = 'update' FROM known_rows k WHERE {known}")
        self.con.execute("DROP TABLE known_rows")

    def _note_gone(self, table: Table, scope_columns: Sequence[str], *, unless: str) -> None:
        """Record the deleted rows: in the scope and no longer staged; `unless` is the join that drops staged keys."""
        before, keys, in_scope = self.before(table), column_list(table.key), ""
        if scope_columns:
            scope = table.column(scope_columns[0])
            pushdown = pushdown_condition(self.con, "scope_keys", scope.name, kind=scope.type)
            if pushdown == NO_ROW:
                return
            in_scope = f"SEMI JOIN scope_keys USING ({column_list(scope_columns)}) WHERE {pushdown}"
        gone = f"SELECT {keys} FROM (FROM {before} {in_scope}) {unless}"
        if fetch_int(self.con, f"CREATE OR REPLACE TEMP TABLE gone_key AS {gone}") > 0:
            self.con.execute(f"""
                INSERT INTO {delta_names(table).gone}
                SELECT {column_list(table.column_names)} FROM {before} SEMI JOIN gone_key USING ({keys})
                WHERE {self._pushdown_condition(table, "gone_key")}
            """)

    def _pushdown_condition(self, table: Table, keys: str) -> str:
        first = table.column(table.key[0])
        return pushdown_condition(self.con, keys, first.name, kind=first.type)

    def append(self, table: Table, rows: str) -> int:
        """Add rows to an append-only table; return how many."""
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
        """Return the SELECT of key columns and `change` (insert, update, delete) of every row this run changed."""
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

    def all_changes(self) -> dict[str, Staged]:
        """Count what this run changed in each staged table."""
        return {name: self.changes(table) for name, table in self.staged.items()}

    def write(self, con: duckdb.DuckDBPyConnection, changes: Mapping[str, Staged] | None = None) -> dict[str, Staged]:
        """Write everything staged into the lake, inside the caller's transaction on `con`; return what was written.

        `changes` are those of `all_changes` where they were counted already.
        """
        written = self.all_changes() if changes is None else dict(changes)
        for name, table in self.staged.items():
            if name in self._retyped:
                replace_table(con, table, f"FROM work.{table.sql_name}", database=DATABASE)
                continue
            for statement in write_sql(table, written[name]):
                con.execute(statement)
        return written

    def _collect(self, table: Table, rows: str, *, into: str) -> None:
        """Create the table `into`: the rows in the declared columns and types, each marked as an insert."""
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
        for column in table.columns:
            if have[column.name] != (kind := spelled_out(column.type)):
                self.con.execute(f"ALTER TABLE {into} ALTER COLUMN {quote(column.name)} TYPE {kind}")
        self.con.execute(f"ALTER TABLE {into} ADD COLUMN change VARCHAR DEFAULT 'insert'")

    def _check_grain(self, table: Table, fresh: str) -> int:
        """Return the number of new rows. Raises: GrainError when a key is null or occurs twice."""
        keys = column_list(table.key)
        anywhere_null = " OR ".join(f"{quote(key)} IS NULL" for key in table.key)
        total, distinct, nulls = self.con.execute(f"""
            SELECT coalesce(sum(n), 0), count(*), coalesce(sum(n) FILTER (WHERE {anywhere_null}), 0)
            FROM (SELECT {keys}, count(*) AS n FROM {fresh} GROUP BY {keys})
        """).fetchall()[0]
        if total != distinct or nulls:
            raise GrainError(
                f"{table.full_name} has one row per {table.grain}, but {total - distinct} staged rows have a duplicate "
                f"key ({', '.join(table.key)}) and {nulls} have none.",
                next_move="Nothing was published; this is a defect of the step that staged them.",
            )
        return int(total)

    def _lay_out_scope(self, table: Table, scope: str | None, fresh: str) -> tuple[str, ...]:
        """Create `scope_keys` and return its columns; none where the whole table was recomputed."""
        if scope is None:
            return ()
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE scope_keys AS SELECT DISTINCT * FROM ({scope})")
        described = self.con.execute("SELECT column_name FROM (DESCRIBE scope_keys)").fetchall()
        columns = tuple(table.column(str(row[0])).name for row in described)
        if set(columns) == set(table.key):
            self.con.execute(f"INSERT INTO scope_keys BY NAME SELECT {column_list(table.key)} FROM {fresh}")
        return columns

    def _scope_condition(self, table: Table, columns: Sequence[str], fresh: str) -> str:
        """Return the SQL condition on a row `t`: it was recomputed. A row that moved into the scope matches by its key.

        Valid until unchanged rows leave `fresh`; their keys are then in the scope's keys.
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
        # One anti-join, empty where rows were only inserted: every row of the table pays for it.
        replaced = f"SELECT {keys} FROM {names.delta} WHERE change = 'update' UNION ALL SELECT {keys} FROM {names.gone}"
        unchanged = "" if table.append_only else f" ANTI JOIN ({replaced}) USING ({keys})"
        self.con.execute(f"""
            CREATE OR REPLACE VIEW {table.sql_name} AS
            SELECT {columns} FROM {self.before(table)}{unchanged}
            UNION ALL SELECT {columns} FROM {names.delta}
        """)
