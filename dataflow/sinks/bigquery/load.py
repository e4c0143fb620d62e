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
from dataflow.sinks.bigquery.copies import Copy
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
from dataflow.sinks.fingerprints import fingerprint, row_hash
from dataflow.sinks.seen import SOURCE, rows_sql, seen_sql, treated_sql
from lakehouse.query import fetch_int
from lakehouse.table import column_list, file_literal, literal, quote

_MOST_PARTITIONS = 4_000
"""Of one job (BigQuery's quota)."""


@dataclass(frozen=True, kw_only=True)
class Staged:
    """The staged rows of a table. `count` is of the lake's whole table; `checksum` of the staged rows that it has."""

    copy: Copy
    name: str
    is_whole: bool
    rows: int
    count: int
    checksum: int


def stage(
    con: duckdb.DuckDBPyConnection, copy: Copy, *, is_whole: bool, jobs: Jobs, place: Place, base: str, folder: Path
) -> Staged:
    """Load the rows of a table whose keys are in `touched_keys`, or all.

    `base` names what the dataset shows: staged rows of a killed run are used again only for the same step.
    Raises: SinkError.
    """
    file = folder / f"{copy.word}.parquet"
    with copy.key_of_masks(con):
        rows = _write(con, copy, is_whole=is_whole, file=file)
    checksum = fetch_int(con, f"SELECT coalesce(bit_xor({ROW_HASH}), 0) FROM read_parquet({file_literal(file)})")
    _check_partitions(con, copy, file)
    content = {
        "dataset": place.dataset.lower()[:63],
        "base": "whole" if is_whole else base,
        "checksum": str(checksum),
        "rows": str(rows),
    }
    job = jobs.once(
        copy.word.replace("_", "-"),
        lambda job_id, attempt, seconds: _load(
            jobs, copy, place, file, content, job_id=job_id, attempt=attempt, seconds=seconds
        ),
        doing=f"Loading {rows} rows of {copy.label}",
        content=content,
        accept=lambda done: _is_there(jobs, done, rows),
    )
    file.unlink()
    if job.output_rows is not None and int(job.output_rows) != rows:
        raise SinkError(f"BigQuery has loaded {job.output_rows} rows of {copy.label}; {rows} were sent.")
    return Staged(
        copy=copy,
        name=job.destination.table_id,
        is_whole=is_whole,
        rows=rows,
        count=count_in_lake(con, copy),
        checksum=checksum,
    )


def count_in_lake(con: duckdb.DuckDBPyConnection, copy: Copy) -> int:
    """Return the number of rows that a table has to have."""
    return fetch_int(con, f"SELECT count(*) FROM {rows_sql(copy.seen)}")


def fingerprint_in_lake(con: duckdb.DuckDBPyConnection, copy: Copy) -> tuple[int, int]:
    """Return the number of rows that a table has to have, and the exclusive or of their hashes."""
    with copy.key_of_masks(con):
        return fingerprint(con, copy.shown, f"({seen_sql(copy.seen)})")


def drop_staged(jobs: Jobs, place: Place, names: list[str]) -> None:
    """Drop staged tables. What stays ends by itself after a day."""
    for name in names:
        jobs.connection.ask(
            f"Dropping the staged table {name}",
            "delete_table",
            f"{place.project}.{place.staging}.{name}",
            not_found_ok=True,
        )


def _write(con: duckdb.DuckDBPyConnection, copy: Copy, *, is_whole: bool, file: Path) -> int:
    """Write the rows to stage as Parquet; return their number."""
    seen = copy.seen
    chosen = seen_sql(seen)
    gone = ""
    if not is_whole:
        on = " AND ".join(f"{SOURCE}.{quote(key)} = k.{quote(key)}" for key in seen.table.key)
        chosen += f" WHERE EXISTS (SELECT 1 FROM touched_keys k WHERE {on})"
        keys = ", ".join(f"{treated_sql(seen, key, source='k')} AS {quote(key)}" for key in seen.table.key)
        gone = (
            f" UNION ALL BY NAME SELECT {keys}, true AS {GONE} FROM touched_keys k"
            f" WHERE NOT EXISTS (SELECT 1 FROM {rows_sql(seen)} {SOURCE} WHERE {on})"
        )
    columns = column_list(copy.shown.column_names, prefix="t")
    rows = f"SELECT {columns}, {row_hash(copy.shown, source='t')} AS {ROW_HASH}, false AS {GONE} FROM ({chosen}) t"
    con.execute(f"COPY ({rows}{gone}) TO {literal(os.fspath(file))} (FORMAT parquet, COMPRESSION zstd)")
    return fetch_int(con, f"SELECT count(*) FROM read_parquet({file_literal(file)})")


def _check_partitions(con: duckdb.DuckDBPyConnection, copy: Copy, file: Path) -> None:
    month = partition_column(copy.shown, masked=copy.masked)
    if not month:
        return
    months = fetch_int(
        con, f"SELECT count(DISTINCT date_trunc('month', {quote(month)})) FROM read_parquet({file_literal(file)})"
    )
    if months > _MOST_PARTITIONS:
        raise SinkError(
            f"{copy.label}.{month} spans {months} months; one job of BigQuery writes at most {_MOST_PARTITIONS}.",
            next_move="Set the rows with such dates aside by a rule (dataflow describe rule).",
        )


def _load(
    jobs: Jobs,
    copy: Copy,
    place: Place,
    file: Path,
    content: Mapping[str, str],
    *,
    job_id: str,
    attempt: int,
    seconds: float,
) -> Any:
    from google.cloud import bigquery

    name = f"{copy.word}_{jobs.publication}_{attempt}"
    create_table(jobs, staged_resource(copy.shown, place, name))
    config = bigquery.LoadJobConfig.from_api_repr(
        {
            "load": {
                "sourceFormat": "PARQUET",
                "createDisposition": "CREATE_NEVER",
                "writeDisposition": "WRITE_EMPTY",
                "schema": {"fields": staged_fields(copy.shown)},
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
