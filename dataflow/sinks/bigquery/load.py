"""Stage rows of the lake in BigQuery by load jobs from Parquet.

| relation | columns | filled by | dropped |
|---|---|---|---|
| `touched_keys` (temporary) | the key columns of one table | collect_touched | replaced for the next table |
| `TABLE_PUBLICATION_ATTEMPT` (staged) | the columns, `_row_hash`, `_gone` | stage | drop_staged, or after a day |
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from dataflow.errors import SinkError
from dataflow.sinks.bigquery.ddl import create_table
from dataflow.sinks.bigquery.jobs import Jobs
from dataflow.sinks.bigquery.shape import (
    GONE,
    ROW_HASH,
    Place,
    partition_column,
    staged_fields,
    staged_resource,
)
from dataflow.sinks.draft import collect_touched
from lakehouse.query import fetch_int
from lakehouse.table import Table, column_list, file_literal, literal, quote

_MOST_PARTITIONS = 4_000
"""Of one job (BigQuery's quota)."""


@dataclass(frozen=True, kw_only=True)
class Staged:
    """The staged rows of a table. `count` is of the lake's whole table; `checksum` of the staged rows that it has."""

    table: Table
    name: str
    is_whole: bool
    rows: int
    count: int
    checksum: int


def stage(
    con: duckdb.DuckDBPyConnection, table: Table, feed: str | None, *, jobs: Jobs, place: Place, base: str, folder: Path
) -> Staged | None:
    """Load the changed rows of a table, or all where there is no feed; None where nothing has changed.

    `base` names what the dataset shows: staged rows of a killed run are used again only for the same step.
    Raises: SinkError.
    """
    if feed is not None and not collect_touched(con, table, feed):
        return None
    file = folder / f"{table.name}.parquet"
    rows = _write(con, table, is_whole=feed is None, file=file)
    checksum = fetch_int(con, f"SELECT coalesce(bit_xor({ROW_HASH}), 0) FROM read_parquet({file_literal(file)})")
    _check_partitions(con, table, file)
    content = {
        "dataset": place.dataset.lower()[:63],
        "base": base if feed is not None else "whole",
        "checksum": str(checksum),
        "rows": str(rows),
    }
    job = jobs.once(
        table.name.replace("_", "-"),
        lambda job_id, attempt, seconds: _load(
            jobs, table, place, file, content, job_id=job_id, attempt=attempt, seconds=seconds
        ),
        doing=f"Loading {rows} rows of {table.name}",
        content=content,
        accept=lambda done: _is_there(jobs, done, rows),
    )
    file.unlink()
    if job.output_rows is not None and int(job.output_rows) != rows:
        raise SinkError(f"BigQuery has loaded {job.output_rows} rows of {table.name}; {rows} were sent.")
    return Staged(
        table=table,
        name=job.destination.table_id,
        is_whole=feed is None,
        rows=rows,
        count=fetch_int(con, f"SELECT count(*) FROM {table.in_lake}"),
        checksum=checksum,
    )


def row_hash(table: Table, *, source: str) -> str:
    """Return the SQL of a row's hash: the same for the same values, whatever the version of DuckDB."""
    values = ", ".join(f"{quote(name)} := {source}.{quote(name)}" for name in table.column_names)
    return f"CAST(md5_number_lower(CAST(to_json(struct_pack({values})) AS VARCHAR)) >> 1 AS BIGINT)"


def drop_staged(jobs: Jobs, place: Place, names: list[str]) -> None:
    """Drop staged tables. What stays ends by itself after a day."""
    for name in names:
        jobs.connection.ask(
            f"Dropping the staged table {name}",
            "delete_table",
            f"{place.project}.{place.staging}.{name}",
            not_found_ok=True,
        )


def _write(con: duckdb.DuckDBPyConnection, table: Table, *, is_whole: bool, file: Path) -> int:
    """Write the rows to stage as Parquet; return their number."""
    columns = column_list(table.column_names, prefix="t")
    rows = f"SELECT {columns}, {row_hash(table, source='t')} AS {ROW_HASH}, false AS {GONE} FROM {table.in_lake} t"
    if not is_whole:
        on = " AND ".join(f"t.{quote(key)} = k.{quote(key)}" for key in table.key)
        keys = column_list(table.key, prefix="k")
        rows = (
            f"{rows} WHERE EXISTS (SELECT 1 FROM touched_keys k WHERE {on})"
            f" UNION ALL BY NAME SELECT {keys}, true AS {GONE} FROM touched_keys k"
            f" WHERE NOT EXISTS (SELECT 1 FROM {table.in_lake} t WHERE {on})"
        )
    con.execute(f"COPY ({rows}) TO {literal(os.fspath(file))} (FORMAT parquet, COMPRESSION zstd)")
    return fetch_int(con, f"SELECT count(*) FROM read_parquet({file_literal(file)})")


def _check_partitions(con: duckdb.DuckDBPyConnection, table: Table, file: Path) -> None:
    month = partition_column(table)
    if not month:
        return
    months = fetch_int(
        con, f"SELECT count(DISTINCT date_trunc('month', {quote(month)})) FROM read_parquet({file_literal(file)})"
    )
    if months > _MOST_PARTITIONS:
        raise SinkError(
            f"{table.name}.{month} spans {months} months; one job of BigQuery writes at most {_MOST_PARTITIONS}.",
            next_move="Set the rows with such dates aside by a rule (dataflow describe rule).",
        )


def _load(
    jobs: Jobs,
    table: Table,
    place: Place,
    file: Path,
    content: Mapping[str, str],
    *,
    job_id: str,
    attempt: int,
    seconds: float,
) -> Any:
    from google.cloud import bigquery

    name = f"{table.name}_{jobs.publication}_{attempt}"
    create_table(jobs, staged_resource(table, place, name))
    config = bigquery.LoadJobConfig.from_api_repr(
        {
            "load": {
                "sourceFormat": "PARQUET",
                "createDisposition": "CREATE_NEVER",
                "writeDisposition": "WRITE_EMPTY",
                "schema": {"fields": staged_fields(table)},
                "parquetOptions": {"enableListInference": True},
            },
            "labels": jobs.labels(**content),
        }
    )
    with file.open("rb") as rows:
        return jobs.connection.client.load_table_from_file(
            rows,
            f"{place.project}.{place.staging}.{name}",
            num_retries=0,
            job_id=job_id,
            location=jobs.connection.location,
            job_config=config,
            timeout=seconds,
        )


def _is_there(jobs: Jobs, job: Any, rows: int) -> bool:
    """Return whether the staged table of a finished job is still there, with all of its rows."""
    found = jobs.connection.find("Reading a staged table", "get_table", job.destination)
    return found is not None and bool(found.num_rows == rows)
