"""Cast payload text to typed columns; text that a type does not hold exactly is flagged."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dataflow.validate.incoming import INCOMING
from lakehouse.table import literal, quote

TYPED = "typed"
"""Temporary table: `_row_id`, `_record_key`, `_is_deleted`, the declared fields; `_uncastable`: positions of fields."""

_WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}


def typed_sql(fields: Mapping[str, str]) -> str:
    """Build the statement that fills TYPED from INCOMING. An empty text is a missing value."""
    shape = literal(json.dumps(dict.fromkeys(fields, "VARCHAR")))
    # In steps, so that each text is taken out, trimmed and cast once.
    texts = "".join(f", {_given(f'text.{quote(name)}')} AS {quote(name)}" for name in fields)
    casts = "".join(f", TRY_CAST({quote(name)} AS {kind}) AS {quote(name)}" for name, kind in fields.items())
    lost = [
        f"CASE WHEN {_is_lost(quote(name), kind)} THEN {number} END"
        for number, (name, kind) in enumerate(fields.items())
        if kind != "VARCHAR"
    ]
    return f"""
        CREATE OR REPLACE TEMP TABLE {TYPED} AS
        WITH read AS (
            SELECT _row_id, _record_key, _is_deleted, json_transform(payload, {shape}) AS text
            FROM {INCOMING} WHERE _defect IS NULL AND json_valid(payload)
        ),
        texts AS (SELECT _row_id, _record_key, _is_deleted{texts} FROM read)
        SELECT _row_id, _record_key, _is_deleted{casts},
            list_filter([{", ".join(lost)}]::INTEGER[], lambda n: n IS NOT NULL) AS _uncastable
        FROM texts
    """


def _given(value: str) -> str:
    return f"CASE WHEN trim({value}) <> '' THEN {value} END"


def _is_lost(text: str, kind: str) -> str:
    """Return the SQL condition: the text exists and the type does not hold it exactly."""
    uncastable = f"{text} IS NOT NULL AND TRY_CAST({text} AS {kind}) IS NULL"
    if kind.upper() in _WHOLE:
        # DuckDB silently rounds '3.7' to 4.
        return f"({uncastable}) OR TRY_CAST({text} AS {kind}) <> TRY_CAST({text} AS DECIMAL(38,9))"
    return uncastable
