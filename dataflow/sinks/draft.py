"""Write the draft of a copy, a DuckDB file, beside it, and rename it over the file; and the warehouse's draft.

| relation | columns | filled by | dropped |
|---|---|---|---|
| `warehouse` (attached database) | published tables, `_publication` | replace_file, write_without | the same |
| `touched_keys` (temporary) | the key columns of one table | collect_touched | replaced for the next table |
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from dataflow.errors import SinkError
from dataflow.publish.commit import Publication
from dataflow.sinks.fingerprints import fingerprint
from dataflow.sinks.views import VIEWS
from dataflow.tables import published
from dataflow.tables.subject import Subject
from dataflow.workspace.relations import sql_of
from lakehouse.connect import connect
from lakehouse.query import fetch_int
from lakehouse.table import SubjectColumn, Table, column_list, create_table_sql, literal, quote, timestamp_literal

DRAFT = "warehouse"
"""The name under which a warehouse file is attached: the database of the DuckDB file and of its views."""

_SHOWN = "source"
_COMPARE_EVERY = timedelta(days=7)
"""All rows are compared so often: at each publication it would cost what exists, not what changed."""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def replace_file(
    con: duckdb.DuckDBPyConnection,
    feeds: Mapping[Table, str | None],
    publication: Publication,
    target: Path,
    *,
    lake_id: str,
    copy: bool,
) -> int:
    """Replace `target` by a file of the publication of this lake; return the number of rows written.

    `feeds` has the changes of each table, None for a table to write whole. `copy` starts from the rows of `target`.
    Raises: SinkError.
    """
    doing = f"Writing publication {publication.number} to the warehouse {target}"
    with drafted(target, doing=doing, what="warehouse", copy=copy) as draft:
        return _write_draft(con, feeds, publication, draft, lake_id=lake_id)


def write_without(subject: Subject, target: Path) -> int:
    """Replace `target` by a file without the rows of a person; return how many were left out.

    Raises: SinkError, with the file unchanged.
    """
    try:
        con = connect()
        try:
            doing = f"Removing a person from the warehouse {target}"
            with drafted(target, doing=doing, what="warehouse") as draft:
                con.execute(f"ATTACH {literal(str(target))} AS {_SHOWN} (READ_ONLY)")
                con.execute(f"ATTACH {literal(str(draft))} AS {DRAFT}")
                con.execute("BEGIN")
                removed = sum(_copy_without(con, table, subject) for table in published.TABLES)
                _write_views(con)
                con.execute(f"CREATE TABLE {DRAFT}._publication AS FROM {_SHOWN}._publication")
                con.execute("COMMIT")
                con.execute(f"DETACH {DRAFT}")
                return removed
        finally:
            con.close()
    except duckdb.Error as error:
        # Its message can quote a row, so the new error neither repeats it nor has it as its cause.
        raise SinkError(
            f"Removing a person from the warehouse {target}: unexpected {type(error).__name__}.",
            next_move="The file can still hold the person. Delete it: the next run writes it again from the lake.",
        ) from None


@contextmanager
def drafted(target: Path, *, doing: str, what: str, copy: bool = False) -> Iterator[Path]:
    """Yield the path of a draft; rename it over `target` after the block, or remove it after an error.

    `copy` starts it from the rows of `target`.
    Raises: SinkError, with `target` unchanged.
    """
    draft = target.with_name(f"{target.name}.{os.getpid()}.draft")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_drafts(target)
        if copy:
            shutil.copyfile(target, draft)
        yield draft
        _sync(draft)
        draft.replace(target)
        _sync(target.parent)
    except (OSError, duckdb.IOException) as error:
        raise SinkError(
            f"{doing}: {type(error).__name__}.",
            next_move=f"Check space and permissions there and run again; the {what} is unchanged.",
        ) from error
    finally:
        with suppress(OSError):
            _clear_drafts(target)


def _clear_drafts(target: Path) -> None:
    # One process at a time writes the file: an existing draft is of a killed one.
    for left_behind in target.parent.glob(f"{target.name}.*.draft*"):
        left_behind.unlink()


def _write_draft(
    con: duckdb.DuckDBPyConnection,
    feeds: Mapping[Table, str | None],
    publication: Publication,
    draft: Path,
    *,
    lake_id: str,
) -> int:
    """Write tables, views and the publication's number in one transaction; return the number of rows written."""
    con.execute(f"ATTACH {literal(str(draft))} AS {DRAFT}")
    con.execute("BEGIN")
    written = sum(
        _write_whole(con, table) if feed is None else _write_changes(con, table, feed) for table, feed in feeds.items()
    )
    _write_views(con)
    now = datetime.now(UTC)
    compared_at = _compared_at(con)
    is_due = compared_at is not None and now - compared_at >= _COMPARE_EVERY
    at = timestamp_literal(now if is_due or compared_at is None else compared_at)
    con.execute(
        f"CREATE OR REPLACE TABLE {DRAFT}._publication AS SELECT {publication.number}::BIGINT AS snapshot_id,"
        f" {literal(publication.run_id)} AS run_id, {literal(lake_id)} AS lake_id, {at} AS compared_at"
    )
    _compare(con, publication.number, is_deep=is_due)
    con.execute("COMMIT")
    con.execute(f"DETACH {DRAFT}")
    return written


def _write_whole(con: duckdb.DuckDBPyConnection, table: Table) -> int:
    columns = column_list(table.column_names)
    _make_empty(con, table)
    con.execute(f"INSERT INTO {DRAFT}.{table.sql_name} ({columns}) SELECT {columns} FROM {table.in_lake}")
    return fetch_int(con, f"SELECT count(*) FROM {DRAFT}.{table.sql_name}")


def _write_changes(con: duckdb.DuckDBPyConnection, table: Table, feed: str) -> int:
    target, columns = f"{DRAFT}.{table.sql_name}", column_list(table.column_names)
    touched = collect_touched(con, table, feed)
    if touched:
        on = " AND ".join(f"t.{quote(key)} = k.{quote(key)}" for key in table.key)
        con.execute(f"DELETE FROM {target} t USING touched_keys k WHERE {on}")
        con.execute(
            f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {table.in_lake} t"
            f" WHERE EXISTS (SELECT 1 FROM touched_keys k WHERE {on})"
        )
    return touched


def collect_touched(con: duckdb.DuckDBPyConnection, table: Table, feed: str) -> int:
    """Fill `touched_keys` with the keys of a change feed; return their number."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE touched_keys AS SELECT DISTINCT {column_list(table.key)} FROM ({feed})")
    return fetch_int(con, "SELECT count(*) FROM touched_keys")


def _copy_without(con: duckdb.DuckDBPyConnection, table: Table, subject: Subject) -> int:
    """Copy a table without a person's rows, and without what names the person in other rows.

    Return how many rows were left out.
    """
    _make_empty(con, table)
    source = f"{_SHOWN}.{table.sql_name}"
    names = [str(name) for (name,) in con.execute(f"SELECT column_name FROM (DESCRIBE {source})").fetchall()]
    rows: list[str] = []
    changed: dict[str, str] = {}
    for column in table.subjects:
        ids = _ids(column, subject)
        if ids and column.erasure == "row":
            rows.append(f"{quote(column.column)} IN {ids}")
        elif ids:
            changed |= _without_person(column, ids)
    condition = f"coalesce({' OR '.join(rows)}, false)" if rows else "false"
    chosen = ", ".join(changed.get(name, quote(name)) for name in names)
    con.execute(
        f"INSERT INTO {DRAFT}.{table.sql_name} ({column_list(names)})"
        f" SELECT {chosen} FROM {source} WHERE NOT {condition}"
    )
    return fetch_int(con, f"SELECT count(*) FROM {source} WHERE {condition}")


def _ids(column: SubjectColumn, subject: Subject) -> str:
    """Return the list of a person's ids that the column can hold, in SQL; "" where there are none."""
    chosen = {"customer": subject.customer_ids, "record": subject.record_ids}.get(column.names)
    return f"({', '.join(map(literal, sorted(chosen)))})" if chosen else ""


def _without_person(column: SubjectColumn, ids: str) -> dict[str, str]:
    """Return the columns that lose the person, each with its expression."""
    name = quote(column.column)
    match column.shape:
        case "list":
            return {column.column: f"list_filter({name}, lambda x: coalesce(x NOT IN {ids}, true))"}
        case "map":
            kept = f"list_filter(map_entries({name}), lambda x: coalesce(x.value NOT IN {ids}, true))"
            return {column.column: f"map_from_entries({kept})"}
    emptied = (column.column, *column.covers)
    return {one: f"CASE WHEN {name} IN {ids} THEN NULL ELSE {quote(one)} END" for one in emptied}


def _make_empty(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {DRAFT}.{quote(table.schema)}")
    con.execute(f"DROP TABLE IF EXISTS {DRAFT}.{table.sql_name}")
    con.execute(create_table_sql(table, database=DRAFT))


def _write_views(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(f"USE {DRAFT}")
    for view in VIEWS.values():
        con.execute(f"CREATE OR REPLACE VIEW published.{quote(view.name)} AS {sql_of(view.rows())}")
        con.execute(f"COMMENT ON VIEW published.{quote(view.name)} IS {literal(view.description)}")
    con.execute("USE memory")


def _compared_at(con: duckdb.DuckDBPyConnection) -> datetime | None:
    """Return when all rows of the copied file were last compared with the lake's; None for a file written whole."""
    try:
        row = con.execute(f"SELECT compared_at FROM {DRAFT}._publication").fetchone()
    except duckdb.BinderException:
        return _NEVER  # of a former version
    except duckdb.CatalogException:
        return None
    return row[0] if row else _NEVER


def _compare(con: duckdb.DuckDBPyConnection, number: int, *, is_deep: bool) -> None:
    """Raise SinkError unless every table has as many rows as the lake; `is_deep`: and the same values."""
    counts = [
        (
            table.full_name,
            fetch_int(con, f"SELECT count(*) FROM {table.in_lake}"),
            fetch_int(con, f"SELECT count(*) FROM {DRAFT}.{table.sql_name}"),
        )
        for table in published.TABLES
    ]
    differing = [f"{name}: {lake} in the lake, {here} here" for name, lake, here in counts if lake != here]
    if is_deep and not differing:
        differing = [
            f"{table.full_name}: other values than in the lake"
            for table in published.TABLES
            if fingerprint(con, table, f"{DRAFT}.{table.sql_name}") != fingerprint(con, table, table.in_lake)
        ]
    if differing:
        raise SinkError(
            f"The warehouse file differs from publication {number}: {'; '.join(differing)}.",
            next_move="The warehouse is unchanged. Delete its file and run again to write it whole.",
        )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
