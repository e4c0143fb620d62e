"""Refuse a window in which different rows share key and version: one of them would be lost as a former version."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import duckdb

from dataflow.errors import ObjectHeldBack
from dataflow.settings import ObjectSettings
from dataflow.sources import PlannedWindow
from dataflow.sources.record_key import SENT_ID, KeyKinds, is_of_salesforce, is_plain, record_key_sql
from dataflow.sources.rows import key_fields, key_setting
from lakehouse.table import literal, quote

_COMPARED_ROWS = 20_000
"""How many of the rows that share a key are compared to find the fields in which they differ."""
_COMBINED_FIELDS = 12
_NAMED = 3
_FIRST_KINDS = ("VARCHAR", "SALESFORCE_ID", "UUID")
_WHOLE = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?")
_NAMED_AS_KEY = re.compile(r"(^|[^a-z])(id|key|code|sku|no|nr|num|number|line|pos|position|seq|item|index)([^a-z]|$)")


def require_unique_keys(
    con: duckdb.DuckDBPyConnection, file: Path, *, planned: PlannedWindow, declared: ObjectSettings, kinds: KeyKinds
) -> None:
    """Compare the staged rows of a window; deletions, and rows without key or version, share theirs with others.

    Keys are compared as their types hold them: 7 and 007 are one key of a BIGINT, and rows that differ in that alone
    are the same.
    Raises: ObjectHeldBack naming the fields that would make the key unique.
    """
    staged = f"read_parquet({literal(str(file))}, hive_partitioning = false)"
    compared = "NOT is_deleted AND defect IS NULL AND changed_at IS NOT NULL"
    if not _are_canonical(con, staged, compared, kinds):
        staged = _canonical_rows(staged, compared, declared, kinds)
    # By numbers first: hardly a window has two rows of one key and version, and texts take five times as long.
    [(rows, versions)] = con.execute(
        f"SELECT count(*), count(DISTINCT hash(record_key, changed_at)) FROM {staged} WHERE {compared}"
    ).fetchall()
    if rows == versions:
        return
    con.execute(f"""
        CREATE TEMP TABLE shared_key AS
        SELECT record_key, changed_at, count(DISTINCT row_hash) AS rows_of_key FROM {staged} WHERE {compared}
        GROUP BY record_key, changed_at HAVING min(row_hash) <> max(row_hash)
    """)
    [(keys, rows)] = con.execute("SELECT count(*), sum(rows_of_key) FROM shared_key").fetchall()
    if not keys:
        return
    fields = _fields_that_differ(con, staged, declared)
    shared = f"the same {declared.cursor} with each key" if declared.cursor else "are of one delivery"
    raise ObjectHeldBack(
        f"Reading {planned.subject}: the key {declared.key} is not unique: {rows:,} different rows have {keys:,} keys, "
        f"and {shared}; nothing of the object is landed or published.",
        next_move=_move(declared, fields),
    )


def _are_canonical(con: duckdb.DuckDBPyConnection, staged: str, compared: str, kinds: KeyKinds) -> bool:
    """Return whether all keys are written as their types write them, as keys of databases and Parquet are."""
    if is_plain(kinds) or kinds == (SENT_ID,):
        return True
    # A cast back and forth takes a third of the canonical form, which knows every spelling.
    is_cast = len(kinds) == 1 and not is_of_salesforce(kinds)
    form = f"TRY_CAST(record_key AS {kinds[0]})::VARCHAR" if is_cast else record_key_sql("record_key", kinds)
    query = f"SELECT bool_and(coalesce({form} = record_key, false)) FROM {staged} WHERE {compared}"
    return con.execute(query).fetchall()[0][0] is not False


def _canonical_rows(staged: str, compared: str, declared: ObjectSettings, kinds: KeyKinds) -> str:
    """Return the SQL of the staged rows with canonical keys, and hashes of what they hold beside the key."""
    without_key = literal(json.dumps(dict.fromkeys(key_fields(declared))))
    return f"""(
        SELECT * REPLACE (
            {record_key_sql("record_key", kinds)} AS record_key,
            md5(json_merge_patch(payload, {without_key})::VARCHAR) AS row_hash
        ) FROM {staged} WHERE {compared}
    )"""


def _move(declared: ObjectSettings, fields: Sequence[str]) -> str:
    if not fields:
        return "No further field or two make it unique: declare another key, or have the duplicates removed."
    keys = [key_setting([*key_fields(declared), *added.split(", ")]) for added in fields]
    return f"With one of these it would be unique: {'; '.join(keys)}. Declare it and run again."


def _fields_that_differ(con: duckdb.DuckDBPyConnection, staged: str, declared: ObjectSettings) -> list[str]:
    """Return the fields, or pairs of fields, that tell apart all rows that share a key; the likeliest keys first."""
    used = {*key_fields(declared), declared.cursor}
    fields = sorted((name for name in declared.fields if name not in used), key=lambda name: _rank(name, declared))
    if not fields:
        return []
    values = ", ".join(f"json_extract_string(payload, {_path(name)}) AS {quote(name)}" for name in fields)
    con.execute(f"""
        CREATE TEMP TABLE compared AS
        SELECT DISTINCT ON (record_key, changed_at, row_hash) record_key, changed_at, {values} FROM {staged}
        SEMI JOIN (FROM shared_key LIMIT {_COMPARED_ROWS // 2}) USING (record_key, changed_at)
        WHERE NOT is_deleted AND defect IS NULL
    """)
    found = _telling(con, [(name,) for name in fields])
    return found or _telling(con, list(combinations(fields[:_COMBINED_FIELDS], 2)))


def _telling(con: duckdb.DuckDBPyConnection, candidates: Sequence[tuple[str, ...]]) -> list[str]:
    """Return those of the candidates that no two of the compared rows of a key share, and no row lacks."""
    if not candidates:
        return []
    conditions = []
    for names in candidates:
        listed = ", ".join(map(quote, names))
        given = " AND ".join(f"coalesce({quote(name)}, '') <> ''" for name in names)
        conditions.append(f"count(DISTINCT (record_key, changed_at, {listed})) = count(*) AND bool_and({given})")
    row = con.execute(f"SELECT {', '.join(conditions)} FROM compared").fetchall()[0]
    return [", ".join(names) for names, tells in zip(candidates, row, strict=True) if tells][:_NAMED]


def _rank(name: str, declared: ObjectSettings) -> tuple[bool, bool]:
    """Order fields by how likely they are part of a key: by their names, then by their types."""
    kind = declared.fields[name].upper()
    is_named = bool(_NAMED_AS_KEY.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))
    return not is_named, not (kind in _FIRST_KINDS or bool(_WHOLE.fullmatch(kind)))


def _path(name: str) -> str:
    return literal('$."' + name.replace('"', '\\"') + '"')
