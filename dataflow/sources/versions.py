"""Versions of records: their identity, their order, and the fingerprint of a set of versions.

A version is (record key, time of change at the source, MD5 of the payload). The fingerprint of a set is the sum of a
64-bit number per version: independent of order, and unlike XOR it detects duplicates. It uses MD5, because DuckDB's
hash() can change between releases while fingerprints stay in the lake.

Versions are ordered by the source's cursor; then a deletion beats a row; then the later extraction, because a source
with whole seconds can change a row twice in one second; then the hash, so that the order is total.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.sources.protocol import BATCH_SCHEMA, WindowMeasure

NO_KEY = "no key"
NOT_JSON = "payload is not valid JSON"

NEWEST_BY = ("_changed_at", "_is_deleted", "_extracted_at", "_row_hash")
"""Columns of raw by which versions of a record are ordered, in every stage."""

VERSION_SCHEMA = BATCH_SCHEMA.append(pa.field("row_hash", pa.string()))
"""Columns of the landing area: every row has a key, a hash and a payload that is valid JSON."""

# A source can send a thousand rows at a time, and each DuckDB query costs 2 ms: a million rows of MySQL took 1.17 s of
# CPU in batches of 6,800, and 0.94 s in groups of four of them (measured November 2026; larger groups gained nothing).
_GROUP_ROWS = 25_000
_GROUP_BYTES = 8 * 1024 * 1024

# A payload that DuckDB's JSON reader refuses (a lone surrogate, NaN) would stop every later stage: it is
# wrapped into a JSON string, whole, and set aside. A row without key is named by its hash so that it can be.
_COMPLETE = f"""
WITH sound AS (
    SELECT * EXCLUDE (payload, defect),
        CASE WHEN json_valid(payload) THEN payload ELSE to_json(payload)::VARCHAR END AS payload,
        CASE WHEN json_valid(payload) THEN defect ELSE concat_ws('; ', defect, '{NOT_JSON}') END AS defect
    FROM batch
), hashed AS (
    SELECT *, md5(payload) AS row_hash FROM sound
)
SELECT
    coalesce(nullif(record_key, ''), row_hash) AS record_key, changed_at, is_deleted, locator,
    CASE WHEN nullif(record_key, '') IS NULL THEN concat_ws('; ', defect, '{NO_KEY}') ELSE defect END AS defect,
    payload, row_hash
FROM hashed
"""


def complete(con: duckdb.DuckDBPyConnection, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Turn fetched batches into versions: VERSION_SCHEMA, the same rows in the same order, small batches together."""
    group: list[pa.RecordBatch] = []
    for batch in batches:
        group.append(batch)
        if sum(one.num_rows for one in group) >= _GROUP_ROWS or sum(one.nbytes for one in group) >= _GROUP_BYTES:
            yield _complete(con, group)
            group = []
    if group:
        yield _complete(con, group)


def _complete(con: duckdb.DuckDBPyConnection, group: Sequence[pa.RecordBatch]) -> pa.Table:
    # One table at a time: DuckDB keeps everything it has read from a registered stream (measured).
    batch = pa.Table.from_batches(group)
    con.register("batch", batch)
    try:
        hashed = _with_hashes(con, batch)
        return con.execute(_COMPLETE).to_arrow_table().cast(VERSION_SCHEMA) if hashed is None else hashed
    finally:
        con.unregister("batch")


def _with_hashes(con: duckdb.DuckDBPyConnection, batch: pa.Table) -> pa.Table | None:
    """Return the rows with their hashes where all have a key and valid JSON, as nearly always; else None.

    So DuckDB reads the payloads without copying them out again, which took as long as hashing them (measured).
    """
    found = con.execute(
        "SELECT record_key, md5(payload) AS row_hash,"
        " coalesce(json_valid(payload) AND record_key <> '', false) AS sound FROM batch"
    ).to_arrow_table()
    # The keys show that the hashes are in the order of the rows.
    if not pc.all(found.column("sound")).as_py() or not found.column("record_key").equals(batch.column("record_key")):
        return None
    return batch.append_column(VERSION_SCHEMA.field("row_hash"), found.column("row_hash")).cast(VERSION_SCHEMA)


def newest_first() -> str:
    """Build the ORDER BY list over raw's columns that puts the newest version first; one without time comes last."""
    return ", ".join(f"{column} DESC NULLS LAST" for column in NEWEST_BY)


def newest_sql(versions: str, columns: str, *, key: str = "_record_key") -> str:
    """Build the SELECT of `columns` of each record's newest version in `versions`, which has raw's columns.

    `key` is the SQL of the record's key: in raw, keys are as received (record_key.py).
    """
    return f"""
        SELECT {columns} FROM {versions}
        QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {newest_first()}) = 1
    """


def is_newer(left: str, right: str, *, left_is_deleted: str | None = None) -> str:
    """Build the condition that the version of one alias is newer than another's.

    `left_is_deleted` stands in for a column that the left side lacks.
    """
    deleted = left_is_deleted or f"{left}._is_deleted"
    lefts = [deleted if column == "_is_deleted" else f"{left}.{column}" for column in NEWEST_BY]
    return f"({', '.join(lefts)}) > ({', '.join(f'{right}.{column}' for column in NEWEST_BY)})"


def fingerprint_sql(key: str, changed_at: str, row_hash: str) -> str:
    """Build the aggregate that fingerprints a set of versions from the SQL of their three parts."""
    return summed_sql(mark_sql(key, changed_at, row_hash))


def mark_sql(key: str, changed_at: str, row_hash: str) -> str:
    """Build the number of one version, of which a fingerprint is the sum."""
    return f"md5_number_lower(concat_ws('|', {key}, coalesce(epoch_us({changed_at})::VARCHAR, ''), {row_hash}))"


def summed_sql(mark: str) -> str:
    """Build the fingerprint of a set of versions from the SQL of their numbers."""
    return f"coalesce(sum({mark}), 0)::VARCHAR"


def key_fingerprint_sql(key: str, changed_at: str) -> str:
    """Build the aggregate that fingerprints a set of (record key, version), without the payloads.

    The sum of the first 15 hexadecimal digits of MD5('key|microseconds since 1970'), as a number: a database can
    compute it as well (MySQL: `SUM(CAST(CONV(LEFT(MD5(…), 15), 16, 10) AS DECIMAL(20)))`), and send one row.
    """
    text = f"concat_ws('|', {key}, coalesce(epoch_us({changed_at})::VARCHAR, ''))"
    return f"coalesce(sum(('0x' || left(md5({text}), 15))::BIGINT::HUGEINT), 0)::VARCHAR"


def measure(con: duckdb.DuckDBPyConnection, batches: Iterable[pa.RecordBatch]) -> WindowMeasure:
    """Count and fingerprint the distinct versions in `batches`; exact duplicates are one version."""
    con.execute("CREATE OR REPLACE TEMP TABLE seen (record_key VARCHAR, changed_at TIMESTAMPTZ, row_hash VARCHAR)")
    for versions in complete(con, batches):
        con.register("versions", versions)
        con.execute("INSERT INTO seen SELECT record_key, changed_at, row_hash FROM versions")
        con.unregister("versions")
    count, fingerprint = con.execute(
        f"SELECT count(*), {fingerprint_sql('record_key', 'changed_at', 'row_hash')} FROM (SELECT DISTINCT * FROM seen)"
    ).fetchall()[0]
    return WindowMeasure(int(count), str(fingerprint))
