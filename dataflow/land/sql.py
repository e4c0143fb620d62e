"""SQL of a landing: which staged versions raw does not hold, and what raw holds of them afterwards.

`landed` is a temporary table of the staged versions by window. It has no payloads: those of new rows are read from the
Parquet file when they are inserted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from dataflow.sources.versions import fingerprint_sql, mark_sql, summed_sql
from lakehouse.table import Table, file_literal, literal, timestamp_literal

_ORDINAL_BITS = 40
"""One number identifies a staged row: its file's place in the list, then its row in the file (below 2^40)."""


def staged_sql(files: Sequence[Path]) -> str:
    """Return the FROM clause of the staged rows with `w`, the place of their window in the list, and `ordinal`."""
    if len(files) == 1:
        # Of one file the place is known: a comparison of names for each row cost as much as reading the row's key.
        return f"""(
            SELECT p.*, 0::INTEGER AS w, p.file_row_number AS ordinal
            FROM read_parquet({file_literal(files[0])}, file_row_number = true, hive_partitioning = false) p
        )"""
    paths = ", ".join(literal(str(file)) for file in files)
    patterns = ", ".join(map(file_literal, files))
    places = f"list_position([{paths}], p.filename) - 1"
    return f"""(
        SELECT p.*, ({places})::INTEGER AS w, (({places})::BIGINT << {_ORDINAL_BITS}) + p.file_row_number AS ordinal
        FROM read_parquet([{patterns}], filename = true, file_row_number = true, hive_partitioning = false) p
    )"""


def create_landed_sql(files: Sequence[Path]) -> str:
    """Return the statement that makes `landed`, the temporary table of staged versions without payloads."""
    return f"""
        CREATE OR REPLACE TEMP TABLE landed AS
        SELECT w, ordinal, record_key, changed_at, row_hash FROM {staged_sql(files)}
    """


def create_marked_sql(files: Sequence[Path]) -> str:
    """Return the statement that makes `landed` with `mark`, the number of each version that fingerprints sum up."""
    return f"""
        CREATE OR REPLACE TEMP TABLE landed AS
        SELECT w, ordinal, record_key, changed_at, row_hash, {mark_sql("record_key", "changed_at", "row_hash")} AS mark
        FROM {staged_sql(files)}
    """


def marked_measure_sql() -> str:
    """Return the SELECT of (w, count, fingerprint) over `landed` with marks."""
    return f"SELECT w, count(*), {summed_sql('mark')} FROM landed GROUP BY w ORDER BY w"


def same_rows_sql(rows: str) -> str:
    """Return the SELECT of count and sum of hashes of `rows` (key, changed_at, row_hash), equal for equal versions.

    Both sides of a comparison are hashed in one process: DuckDB's own hash, a tenth of the cost of MD5, is the same.
    """
    return f"SELECT count(*), sum(hash(key, changed_at, row_hash)) FROM ({rows})"


def range_sql(raw: Table, *, earliest: datetime | None, latest: datetime | None, timeless: bool) -> str:
    """Return the FROM clause of what raw holds in the range of the staged versions."""
    conditions: list[str] = []
    if earliest is not None and latest is not None:
        conditions.append(f"_changed_at BETWEEN {timestamp_literal(earliest)} AND {timestamp_literal(latest)}")
    conditions += ["_changed_at IS NULL"] if timeless else []
    return f"{raw.in_lake} WHERE {' OR '.join(conditions) or 'false'}"


def in_raw_sql(raw: Table, *, earliest: datetime | None, latest: datetime | None, timeless: bool) -> str:
    """Return the SELECT of `w` and the version's three columns for each staged version found in raw.

    Only the range of raw between the window's earliest and latest change is read (the lake skips files by minimum and
    maximum), so the cost follows the window and not the size of raw. The staged rows are the build side of the join.
    """
    versions = "(SELECT DISTINCT w, record_key, changed_at, row_hash FROM landed)"
    branches = []
    if earliest is not None and latest is not None:
        branches.append(f"""
            SELECT l.w, r._record_key AS record_key, r._changed_at AS changed_at, r._row_hash AS row_hash
            FROM {raw.in_lake} r JOIN {versions} l
            ON r._record_key = l.record_key AND r._changed_at = l.changed_at AND r._row_hash = l.row_hash
            WHERE r._changed_at BETWEEN {timestamp_literal(earliest)} AND {timestamp_literal(latest)}
        """)
    if timeless:
        branches.append(f"""
            SELECT l.w, r._record_key AS record_key, r._changed_at AS changed_at, r._row_hash AS row_hash
            FROM {raw.in_lake} r JOIN {versions} l
            ON r._record_key = l.record_key AND r._row_hash = l.row_hash
            WHERE r._changed_at IS NULL AND l.changed_at IS NULL
        """)
    nothing = "SELECT w, record_key, changed_at, row_hash FROM landed WHERE false"
    return " UNION ALL ".join(branches) or nothing


def create_fresh_sql(in_raw: str) -> str:
    """Return the statement that makes `fresh`, the staged rows to add: the first row of each version that raw lacks."""
    return f"""
        CREATE OR REPLACE TEMP TABLE fresh AS
        WITH known AS (SELECT DISTINCT record_key, changed_at, row_hash FROM ({in_raw}))
        SELECT min(ordinal) AS ordinal, arg_min(w, ordinal) AS w
        FROM landed l
        WHERE NOT EXISTS (
            SELECT 1 FROM known k WHERE k.record_key = l.record_key AND k.row_hash = l.row_hash
            AND k.changed_at IS NOT DISTINCT FROM l.changed_at
        )
        GROUP BY l.record_key, l.changed_at, l.row_hash
    """


def insert_sql(raw: Table, files: Sequence[Path], changed_at: str, is_all: bool = False) -> str:
    """Return the INSERT of the fresh rows, or of all; parameters: run, source, object, extraction times by window.

    `changed_at` is the SQL of their version over the staged row `s`.
    """
    chosen = "" if is_all else " SEMI JOIN fresh f ON s.ordinal = f.ordinal"
    return f"""
        INSERT INTO {raw.in_lake} BY NAME
        SELECT $run AS _run_id, $source AS _source, $object AS _object, s.record_key AS _record_key,
            ($extracted::TIMESTAMPTZ[])[s.w + 1] AS _extracted_at, s.row_hash AS _row_hash, {changed_at} AS _changed_at,
            s.is_deleted AS _is_deleted, s.locator AS _locator, s.defect AS _defect, s.payload
        FROM {staged_sql(files)} s{chosen}
    """


def measure_sql(versions: str) -> str:
    """Return the SELECT of (w, count, fingerprint) over versions (w, record_key, changed_at, row_hash)."""
    fingerprint = fingerprint_sql("record_key", "changed_at", "row_hash")
    return f"SELECT w, count(*), {fingerprint} FROM ({versions}) GROUP BY w ORDER BY w"
