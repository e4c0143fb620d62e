"""Shape rows of typed tables (Parquet, databases) with DuckDB: the same row gives the same payload."""

from __future__ import annotations

from collections.abc import Mapping

from dataflow.settings import ObjectSettings
from dataflow.sources.deletion import deletion_sql
from dataflow.sources.rows import key_fields
from lakehouse.table import literal, quote


def shape_sql(
    relation: str,
    declared: ObjectSettings,
    *,
    types: Mapping[str, str],
    locator: str,
    defect: str | None,
    changed_at: str = "",
) -> str:
    """Build the SELECT of BATCH_SCHEMA over `relation`, whose columns are `types` (name to DuckDB type).

    `locator` and `changed_at` are SQL over the relation `t`; without the latter the cursor is cast. `defect` is the
    defect of every row. A missing column reads as null; one that is not in `types` is left out of the payload.
    """
    timestamp = changed_at or _changed_at_sql(declared, types)
    packed = ", ".join(f"{quote(name)} := {_exact(name, kind)}" for name, kind in types.items())
    return f"""
        SELECT {_key_sql(declared, types)} AS record_key, {timestamp} AS changed_at,
            {_deleted_sql(declared, types)} AS is_deleted, {locator} AS locator,
            {literal(defect) if defect else "NULL::VARCHAR"} AS defect,
            to_json(struct_pack({packed}))::VARCHAR AS payload
        FROM {relation} t
    """


def names_zone_sql(text: str, *, with_words: bool = False) -> str:
    """Return the SQL condition that the text of a time names its offset from UTC; `with_words`: or Z, or a zone."""
    signed = " OR ".join(f"substr({text}, -{place}, 1) IN ('+', '-')" for place in (6, 5, 3))
    words = f" OR regexp_matches({text}, '[A-Za-z]\\s*$')" if with_words else ""
    # A date alone ends with a sign and two digits too.
    return f"(length({text}) > 15 AND ({signed}{words}))"


def in_utc_sql(timestamp: str, kind: str) -> str:
    """Return the SQL expression of a timestamp with zone as one without, in UTC."""
    return f"CAST({timestamp} AT TIME ZONE 'UTC' AS {kind})"


def _changed_at_sql(declared: ObjectSettings, types: Mapping[str, str]) -> str:
    """Return the SQL expression of the cursor; one that names no zone is of the object's zone."""
    if declared.cursor not in types:
        return "NULL::TIMESTAMPTZ"
    column, kind = f"t.{quote(declared.cursor)}", types[declared.cursor].upper()
    cast = f"try_cast({column} AS TIMESTAMPTZ)"
    if declared.zone == "UTC" or kind.endswith(("TIME ZONE", "TIMESTAMPTZ")):
        return cast
    local = f"timezone({literal(declared.zone)}, try_cast({column} AS TIMESTAMP))"
    return (
        f"CASE WHEN {names_zone_sql(column, with_words=True)} THEN {cast} ELSE {local} END"
        if kind == "VARCHAR"
        else local
    )


def _exact(name: str, kind: str) -> str:
    """Return the column as it goes into JSON: decimals as text, since to_json makes doubles of them (12.30 is 12.3)."""
    return f"t.{quote(name)}::VARCHAR" if "DECIMAL" in kind or kind == "BLOB" else f"t.{quote(name)}"


def _key_sql(declared: ObjectSettings, types: Mapping[str, str]) -> str:
    names = key_fields(declared)
    if any(name not in types for name in names):
        return "NULL::VARCHAR"
    if len(names) == 1:
        return f"t.{quote(names[0])}::VARCHAR"
    parts = [f"replace(replace(t.{quote(name)}::VARCHAR, '%', '%25'), '|', '%7C')" for name in names]
    return " || '|' || ".join(parts)


def _deleted_sql(declared: ObjectSettings, types: Mapping[str, str]) -> str:
    flags = []
    if declared.deleted_flag in types:
        flags.append(f"coalesce(try_cast(t.{quote(declared.deleted_flag)} AS BOOLEAN), false)")
    if declared.deleted_when_set in types:
        flags.append(deletion_sql(f"t.{quote(declared.deleted_when_set)}", declared=declared))
    return " OR ".join(flags) or "false"
