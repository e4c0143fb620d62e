"""Parquet exports of database tables: each row becomes JSON text, with decimals and times exact to the digit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from dataflow.errors import SourceMalformed
from dataflow.settings import ObjectSettings
from dataflow.sources.drift import answer_drift, find_drift
from dataflow.sources.files.folders import folder_fields
from dataflow.sources.files.store import Store
from dataflow.sources.protocol import BATCH_SCHEMA, FetchReport, FieldInfo, Part
from dataflow.sources.rows import BATCH_ROWS
from dataflow.sources.typed import shape_sql
from lakehouse.connect import connect
from lakehouse.table import file_literal, literal, quote


def read_tables(
    store: Store, parts: Sequence[Part], declared: ObjectSettings, report: FetchReport
) -> Iterator[pa.RecordBatch]:
    """Stream Parquet files one by one. Raises: SourceMalformed, SchemaDrift."""
    con = connect(threads=2)
    try:
        for part in parts:
            with store.as_file(part) as file:
                yield from _read_table(con, file, part.path, declared, report)
    finally:
        con.close()


def describe(store: Store, part: Part, declared: ObjectSettings) -> list[FieldInfo]:
    """Return the columns of a file with their DuckDB types."""
    con = connect(threads=1)
    try:
        with store.as_file(part) as file:
            types = _columns(con, file, part.path)
            in_folders = folder_fields(part.path, declared, present=types)
            return [FieldInfo(name, kind) for name, kind in {**types, **dict.fromkeys(in_folders, "VARCHAR")}.items()]
    finally:
        con.close()


def _read_table(
    con: duckdb.DuckDBPyConnection, file: Path, path: str, declared: ObjectSettings, report: FetchReport
) -> Iterator[pa.RecordBatch]:
    types = _columns(con, file, path)
    in_folders = folder_fields(path, declared, present=types)
    drift = find_drift(declared, [*types, *in_folders], types=types)
    report.drift = report.drift.merged(drift)
    defect = answer_drift(drift, declared, where=path)
    report.count(path, 0)
    try:
        # Cast, since the reader returns other widths than the schema states (string views, nanoseconds).
        for batch in con.execute(_rows_sql(file, path, declared, types, in_folders, defect=defect)).to_arrow_reader(
            BATCH_ROWS
        ):
            report.count(path, batch.num_rows)
            yield batch.cast(BATCH_SCHEMA)
    except duckdb.Error as error:
        raise _not_parquet(path) from error


def _columns(con: duckdb.DuckDBPyConnection, file: Path, path: str) -> dict[str, str]:
    try:
        found = con.execute(
            f"DESCRIBE SELECT * FROM read_parquet({file_literal(file)}, hive_partitioning = false)"
        ).fetchall()
    except duckdb.Error as error:
        raise _not_parquet(path) from error
    return {str(row[0]): str(row[1]) for row in found}


def _not_parquet(path: str) -> SourceMalformed:
    return SourceMalformed(
        f"Reading {path}: it is not a readable Parquet file; it has another format or was cut off.",
        next_move="Have it delivered again; nothing of the window was landed.",
    )


def _rows_sql(
    file: Path,
    path: str,
    declared: ObjectSettings,
    types: Mapping[str, str],
    in_folders: Mapping[str, str | None],
    *,
    defect: str | None,
) -> str:
    """Build the SELECT of BATCH_SCHEMA over one file."""
    relation = f"read_parquet({file_literal(file)}, file_row_number = true, hive_partitioning = false)"
    if in_folders:
        values = ", ".join(
            f"{'NULL' if value is None else literal(value)}::VARCHAR AS {quote(name)}"
            for name, value in in_folders.items()
        )
        relation = f"(SELECT *, {values} FROM {relation})"
    locator = f"{literal(path + '#row=')} || (t.file_row_number + 1)"
    return shape_sql(
        relation, declared, types={**types, **dict.fromkeys(in_folders, "VARCHAR")}, locator=locator, defect=defect
    )
